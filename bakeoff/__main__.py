"""Entry point: `bakeoff`, or `python -m bakeoff`."""

import os
import sys

from bakeoff.characters import spare_the_locale


def main() -> None:
    """Run the console command."""
    os.umask(0o077)  # results and logs are for whoever runs this; children inherit it
    spare_the_locale()
    if sys.argv[1:] == ["health"]:
        # The image's HEALTHCHECK: it must not wait for the imports of the other verbs.
        from bakeoff.health import main as health

        sys.exit(health())
    try:
        from bakeoff.cli import app
    except Exception:  # of a package that lies in the way of ours, perhaps: then the preflight cannot say so either
        from server.versions import look, remedy

        if foreign := look().foreign:
            sys.exit(f"bakeoff: failed: {'; '.join(foreign)}; {remedy()}")
        raise
    app()


if __name__ == "__main__":
    main()
