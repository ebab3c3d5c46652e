"""Port 8002 where no PyTorch server is: what a Triton serves, by the same routes and with the same errors.

Tensors pass through as the bytes that they are; only what REST clients send becomes a request of the Open Inference Protocol here.
"""
