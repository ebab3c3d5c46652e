"""The HTTP routes of the PyTorch server, by audience."""
