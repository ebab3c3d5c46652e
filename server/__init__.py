"""What runs inside the container: the PyTorch server, the readiness gate, the artifacts and the Triton launcher."""
