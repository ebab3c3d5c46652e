"""Starting tritonserver: where it is, its model repository and its arguments."""
