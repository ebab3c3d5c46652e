"""The backends as the gate sees them: two kinds behind one interface, and the client that asks them."""
