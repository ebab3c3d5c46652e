"""The console's routes, by audience."""
