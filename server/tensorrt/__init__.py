"""Building TensorRT engines once and keeping them: the builder, its process, the cache, and whether this machine can."""
