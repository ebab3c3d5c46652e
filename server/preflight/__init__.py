"""What must be right before anything starts, each check with its remedy."""

from server.preflight.checks import Finding, run_checks

__all__ = ["Finding", "run_checks"]
