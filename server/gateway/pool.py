"""Connections to one Triton, kept open between the requests of an HTTP worker."""

import asyncio
from collections.abc import Sequence

from server.gateway.connection import Answer, ConnectionLost, Part, TritonConnection

CONNECT_TIMEOUT_S = 2.0
"""On the machine itself."""

MOST_IDLE = 64
"""Of one worker; what a burst needed more is closed after it."""


class Pool:
    """As many connections as there are requests at the same time."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[TritonConnection] = []

    async def ask(self, parts: Sequence[Part]) -> Answer:
        """Send a request, given in parts, and return the answer.

        Where a connection that was kept turns out to have been closed meanwhile, so that nothing is answered, a new one is
        asked. That may be asked twice: running a model changes nothing.

        Raises:
            OSError: nobody listens, or the connection ended.
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable:
                continue
            try:
                return await self._ask(connection, parts)
            except ConnectionLost as lost:
                if lost.begun:
                    raise
                break
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await asyncio.get_running_loop().create_connection(TritonConnection, self._host, self._port)
        return await self._ask(connection, parts)

    async def _ask(self, connection: TritonConnection, parts: Sequence[Part]) -> Answer:
        answer = await connection.ask(parts)
        if connection.usable:
            if len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()
