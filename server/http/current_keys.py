"""The keys that open port 8002 now: the key file is read again while the server runs, so that a change needs no restart."""

import asyncio
import logging

from server.keys import KeyProblem, all_keys, configured_triton_key, stack_key
from server.settings import Settings

LOOK_EVERY_S = 1.0

log = logging.getLogger("bakeoff.http")


class CurrentKeys:
    """Read by every request, on old connections too; a file that cannot be used leaves the keys as they were."""

    def __init__(self, settings: Settings, *, tell: bool) -> None:
        """Begin with the keys of the settings; `tell`: log what changes, which one of several workers does."""
        self._listed = settings.listed_keys
        self._file = settings.api_key_file
        self._keys = settings.keys
        self._of_triton = configured_triton_key(settings.keys) if settings.tritons else None
        self._own = tuple(filter(None, [stack_key()]))
        self._tell = tell
        self._problem: str | None = None

    def __call__(self) -> tuple[str, ...]:
        """Return every key that opens now, the stack's own too."""
        return (*self._keys, *self._own)

    def look(self) -> None:
        """Read the file again."""
        if self._file is None:
            return
        try:
            keys = all_keys(self._listed, self._file)
        except KeyProblem as error:
            if self._tell and str(error) != self._problem:
                log.error("the keys stay as they were: %s", error)
            self._problem = str(error)
            return
        self._problem = None
        if keys == self._keys:
            return
        self._keys = keys
        if self._tell:
            log.info("the keys of %s were read again: %d are known", self._file, len(keys))
            if self._of_triton not in (None, keys[0]):
                log.warning("Triton goes on with the first key of the start, until the stack is started again")

    async def watch(self) -> None:
        """Look for as long as the server runs, in a thread: the file may lie on a slow disk."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.look)
