"""The container's face: the status page and all that it shows, a photo through every backend, the quick benchmark, its reports."""
