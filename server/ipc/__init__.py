"""What workers and engines share: memory for images and embeddings, small messages about it, and counters."""
