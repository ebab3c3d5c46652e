"""The PyTorch backend: routes -> service -> batcher -> encoder, and images beside them."""
