"""The listening socket of port 8002, handed over from one program to the next while both run.

Whoever has it serves it on a Unix socket (`server.sockets.PORT`), and a program that starts asks there first. Both then accept
from the same queue of the kernel, so that no connection is refused or lost; the one that goes stops accepting and answers what
it has. The connection over which the socket was handed over stays open, and tells each of them whether the other accepts.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from server.addresses import family
from server.settings import Settings
from server.sockets import PORT, listen, socket_path

BACKLOG = 2048
"""Connections that wait to be accepted."""

ANSWER_TIMEOUT_S = 2.0
"""For the socket; a program that hangs does not hand it over."""

ACCEPTS = b"accepts\n"

MESSAGE_BYTES = 1024

log = logging.getLogger("bakeoff.http")


@dataclass(frozen=True)
class Holder:
    """A program that has the listening socket, and whether it accepts connections."""

    program: str
    accepts: bool


@dataclass
class _Peer:
    """Another program that has the socket, at the other end of `channel`."""

    channel: socket.socket
    accepts: bool


def holder(home: Path) -> Holder | None:
    """Return the program that took port 8002 last, of the stack in `home`; None where nobody has it."""
    found = _ask(socket_path(home, PORT))
    if found is None:
        return None
    peer, listener, last = found
    listener.close()
    peer.channel.close()
    return last


class Listener:
    """This program's hold on it."""

    def __init__(self, settings: Settings, program: str, taken: tuple[_Peer, socket.socket] | None) -> None:
        self._home = settings.bakeoff_home
        self._program = program
        self._peers = [taken[0]] if taken else []
        self._server: socket.socket | None = None
        self._accepts = False
        self.socket = taken[1] if taken else _bind(settings.host, settings.pytorch_http_port)
        self.socket.setblocking(False)

    @classmethod
    def take(cls, settings: Settings, program: str) -> Self:
        """Take it from whoever has it, or bind the port.

        Raises:
            OSError: it is taken by a stranger, or cannot be bound.
        """
        try:
            found = _ask(socket_path(settings.bakeoff_home, PORT))
        except OSError as error:
            log.warning("port 8002 is not asked for, but bound: %s", error)
            found = None
        if found is None:
            return cls(settings, program, None)
        peer, listener, last = found
        if listener.getsockname()[:2] != (settings.host, settings.pytorch_http_port):
            listener.close()
            peer.channel.close()
            return cls(settings, program, None)
        log.info("port 8002 is taken over from %s", last.program)
        return cls(settings, program, (peer, listener))

    @property
    def shared(self) -> bool:
        """Whether another program accepts on it, too."""
        return any(peer.accepts for peer in self._peers)

    def serve(self) -> None:
        """Hand it to whoever asks, from now on in the running event loop; without a place for that nobody can take it over."""
        loop = asyncio.get_running_loop()
        for peer in self._peers:
            self._listen_to(peer)
        try:
            path = socket_path(self._home, PORT)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._server = listen(path)
        except OSError as error:
            log.warning("port 8002 cannot be handed over to another program: %s", error)
            return
        self._server.setblocking(False)
        loop.add_reader(self._server, self._hand_over, self._server)

    def accept(self) -> None:
        """Tell the others that this program accepts connections."""
        if not self._accepts:
            self._accepts = True
            for peer in self._peers:
                with contextlib.suppress(OSError):  # it has ended
                    peer.channel.send(ACCEPTS)

    def close(self) -> None:
        """Let go of it; the path stays, because it may be another program's by now."""
        loop = asyncio.get_running_loop()
        if self._server is not None:
            loop.remove_reader(self._server)
            self._server.close()
        for peer in list(self._peers):
            self._forget(peer)
        self.socket.close()

    def _hand_over(self, server: socket.socket) -> None:
        try:
            channel, _ = server.accept()
        except OSError:  # whoever asked has gone
            return
        message = json.dumps({"program": self._program, "accepts": self._accepts}).encode() + b"\n"
        try:
            channel.setblocking(False)
            socket.send_fds(channel, [message], [self.socket.fileno()])
        except OSError:  # likewise
            channel.close()
            return
        peer = _Peer(channel, accepts=False)
        self._peers.append(peer)
        self._listen_to(peer)

    def _listen_to(self, peer: _Peer) -> None:
        peer.channel.setblocking(False)
        asyncio.get_running_loop().add_reader(peer.channel, self._hear, peer)

    def _hear(self, peer: _Peer) -> None:
        try:
            said = peer.channel.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            peer.accepts = True
        else:
            self._forget(peer)

    def _forget(self, peer: _Peer) -> None:
        asyncio.get_running_loop().remove_reader(peer.channel)
        peer.channel.close()
        self._peers.remove(peer)


def _ask(path: Path) -> tuple[_Peer, socket.socket, Holder] | None:
    """Ask at `path` for the socket; None: nobody is there, or does not answer."""
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(ANSWER_TIMEOUT_S)
    descriptors: list[int] = []
    try:
        channel.connect(str(path))
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 1)
        said = Holder(**json.loads(message))
        (descriptor,) = descriptors
    except (OSError, ValueError, TypeError):
        for descriptor in descriptors:
            os.close(descriptor)
        channel.close()
        return None
    os.set_inheritable(descriptor, False)  # `recv_fds` takes flags, and until Python 3.12 forgets them
    return _Peer(channel, said.accepts), socket.socket(fileno=descriptor), said


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=BACKLOG, family=family(host))
    except OSError as error:
        raise OSError(f"PYTORCH_HTTP_PORT={port} on {host} cannot be used: {error.strerror}") from None
