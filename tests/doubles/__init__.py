"""Doubles that are programs of their own: what they stand for is in their names."""
