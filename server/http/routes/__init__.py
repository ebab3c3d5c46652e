"""Routes that every program on port 8002 has, by audience; what serves them is in the application's context."""
