"""What the benchmark raises."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says what was found and what to do about it."""
