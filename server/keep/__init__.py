"""Taking a choice: `bakeoff keep` and the console's `POST /keep` check it against the stack and the result, and write it down."""
