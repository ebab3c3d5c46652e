"""What a process and the one that started it say to each other: the data lie in a file in memory that both hold.

A request is a packet of the number of its bytes there and the name of the task, an answer one of a kind and either the number of the
result's bytes, in the same place, or a message.
"""

import os
import socket
import struct

RESULT, REFUSAL, FAILURE = range(3)
LONGEST_MESSAGE = 10_000
LONGEST_PACKET = 65_536

_SIZE = struct.Struct("<q")


def send_request(channel: socket.socket, size: int, task: str) -> None:
    """Ask for `task`, whose data are the first `size` bytes of the file."""
    channel.send(_SIZE.pack(size) + task.encode())


def receive_request(channel: socket.socket) -> tuple[int, str] | None:
    """Return size and task; None when there will be none any more."""
    packet = channel.recv(LONGEST_PACKET)
    return (_SIZE.unpack_from(packet)[0], packet[_SIZE.size :].decode()) if packet else None


def send_result(channel: socket.socket, size: int) -> None:
    """Say that the result is the first `size` bytes of the file."""
    channel.send(bytes([RESULT]) + _SIZE.pack(size))


def send_message(channel: socket.socket, kind: int, message: str) -> None:
    """Say why there is no result."""
    channel.send(bytes([kind]) + message[:LONGEST_MESSAGE].encode())


def receive_answer(channel: socket.socket) -> tuple[int, int, str] | None:
    """Return the kind of an answer, the result's size and the message; None when the process has ended."""
    packet = channel.recv(LONGEST_PACKET)
    if not packet:
        return None
    kind, rest = packet[0], packet[1:]
    return (kind, _SIZE.unpack(rest)[0], "") if kind == RESULT else (kind, 0, rest.decode())


def write(file: int, data: bytes | memoryview) -> None:
    """Make `data` the first bytes of the file."""
    view, position = memoryview(data).cast("B"), 0
    while position < len(view):
        position += os.pwrite(file, view[position:], position)


def read(file: int, size: int) -> memoryview:
    """Return the first `size` bytes of the file.

    Raises:
        EOFError: it has fewer.
    """
    if (there := os.fstat(file).st_size) < size:
        raise EOFError(f"{size} bytes were announced and {there} are there")
    data = bytearray(size)
    view, position = memoryview(data), 0
    while position < size:
        position += os.preadv(file, [view[position:]], position)
    return view
