"""What any HTTP program of the stack needs to serve a port: connections, keys, limits, errors, metrics, its processes."""
