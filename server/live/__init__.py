"""What the backends do right now: read from their metrics by the gate, kept for some minutes, shown on the page and the console."""
