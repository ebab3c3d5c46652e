"""Our load generator beside instruments that are not ours: the same points, measured in turn, within 10 % of each other.

`python -m bench.crosscheck --url http://127.0.0.1:8002` needs `wrk` (Debian's package) and `mlcommons-loadgen` (in the
development group); docs/benchmark-checks.md has figures.
"""
