"""`bakeoff bench-server`: the PyTorch server alone, each figure beside the ceiling that the same machine sets in process."""
