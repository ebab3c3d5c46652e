"""Entry point: `bakeoff`, or `python -m bakeoff`."""

import sys


def main() -> None:
    """Run the console command."""
    if sys.argv[1:] == ["health"]:
        # The image's HEALTHCHECK: it must not wait for the imports of the other verbs.
        from bakeoff.health import main as health

        sys.exit(health())
    from bakeoff.cli import app

    app()


if __name__ == "__main__":
    main()
