"""Loading in the background: the server answers `/ready` and `/health` from its first second."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from server.pytorch.errors import NotReady

if TYPE_CHECKING:  # importing torch takes seconds, during which the server already answers
    from server.pytorch.service import EmbeddingService

log = logging.getLogger("bakeoff.pytorch")


class Lifecycle:
    """Holds the service once it is loaded."""

    def __init__(self, load: "Callable[[], EmbeddingService]") -> None:
        self._load = load
        self._service: EmbeddingService | None = None
        self.error: Exception | None = None

    @property
    def loaded(self) -> bool:
        """True when requests can be served."""
        return self._service is not None

    @property
    def service(self) -> "EmbeddingService":
        """The loaded service.

        Raises:
            NotReady: it is still loading.
        """
        if self._service is None:
            raise NotReady("the model is still loading; ask GET /ready when to come back")
        return self._service

    async def start(self) -> None:
        """Load in a thread. When that fails the process ends, so that supervisord starts it again or gives up."""
        start = time.monotonic()
        try:
            self._service = await asyncio.to_thread(self._load)
        except Exception as error:
            log.error("the model could not be loaded: %s", error, exc_info=log.isEnabledFor(logging.DEBUG))
            self.error = error
            os.kill(os.getpid(), signal.SIGTERM)
            return
        log.info("model loaded in %.1f s", time.monotonic() - start)

    async def stop(self) -> None:
        """Finish what was accepted."""
        if self._service is not None:
            await asyncio.to_thread(self._service.stop)
