"""The Open Inference Protocol v2 over HTTP with Triton's binary tensors, as pure functions: bytes in, bytes out."""
