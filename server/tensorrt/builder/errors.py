"""Why no engine was built, and the exit statuses that tell it to whoever started the program."""

import signal

OUT_OF_MEMORY_STATUS = 3
CANCELLED_STATUS = 128 + signal.SIGTERM


class BuildError(RuntimeError):
    """No engine could be built; the message says why."""


class OutOfMemory(BuildError):
    """The GPU's memory did not suffice."""


class Cancelled(BuildError):
    """Somebody asked for the end of the build."""
