"""Faults on purpose, under a load whose every answer is checked: `make chaos`, and a short form in tests/stack."""
