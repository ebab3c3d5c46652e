"""Becoming a program whose secret arguments no process list shows.

tritonserver takes its keys on the command line only, and everybody on a machine may read `/proc/PID/cmdline`. The kernel
shows the range of memory that it filled at `execve`, whereas a program reads the pointers in `argv`. So the secrets travel
in the environment, which only the same user may read, the visible arguments are placeholders, and before the program's
first instruction a helper that traces it (ptrace) points `argv` at the environment.
"""

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

VARIABLE = "BAKEOFF_ARGUMENT_"
"""Before the number of a hidden argument: the environment variable that holds it."""

PLACEHOLDER = "(hidden)"

# linux/ptrace.h, linux/prctl.h
PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE = 7, 17, 0x4206
PTRACE_O_TRACEEXEC, PTRACE_EVENT_EXEC = 0x10, 4
PR_SET_PTRACER = 0x59616D61
WALL = 0x40000000

START_OF_STACK = 27
"""Place in `/proc/PID/stat` of the address at which the stack begins: argc, argv, NULL, environment, NULL."""

WORD = 8


def become(
    program: Path,
    arguments: Sequence[str],
    hidden: Sequence[str],
    environment: dict[str, str],
    warn: Callable[[str], None],
) -> NoReturn:
    """Replace this process by `program`.

    Args:
        arguments: with the program's name as the first.
        hidden: further arguments, of the form `--name=value`, of which only the name is shown.
        warn: told when tracing is not allowed here, so that the arguments have to be passed openly.

    Raises:
        OSError: the program cannot be executed.
    """
    if hidden and _begin_helper(len(arguments), len(hidden)):
        values = {f"{VARIABLE}{index}": value for index, value in enumerate(hidden)}
        shown = [f"{argument.partition('=')[0]}={PLACEHOLDER}" for argument in hidden]
        os.execve(program, [*arguments, *shown], {**environment, **values})
    if hidden:
        warn("ptrace is not allowed here, so the process list shows the keys to whoever may see it")
    os.execve(program, [*arguments, *hidden], environment)


def _begin_helper(first: int, count: int) -> bool:
    """Start a process that waits for our `execve` and then puts the arguments in place; false when it may not."""
    target = os.getpid()
    permitted, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork():  # so that the helper is no child of the program, which would never wait for it
            os._exit(0)
        _help(target, first, count, permitted[0], answer[1])
    os.waitpid(child, 0)
    os.close(answer[1])
    with open(answer[0], "rb", buffering=0) as reader:  # noqa: PTH123  # a descriptor
        helper = struct.unpack("i", reader.read(4))[0]
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(helper), 0, 0, 0)  # for Yama; elsewhere it does nothing
        os.write(permitted[1], b"x")
        os.close(permitted[1])
        os.close(permitted[0])
        return reader.read(1) == b"y"


def _help(target: int, first: int, count: int, permitted: int, answer: int) -> NoReturn:
    """Be the helper; it never returns into the code of the process that it was forked from."""
    status = 1
    try:
        os.write(answer, struct.pack("i", os.getpid()))
        os.read(permitted, 1)
        _ptrace(PTRACE_SEIZE, target, PTRACE_O_TRACEEXEC)
        os.write(answer, b"y")
        os.close(answer)
        _wait_for_exec(target)
        _point(target, first, count)
        _ptrace(PTRACE_DETACH, target, 0)
        status = 0
    finally:
        os._exit(status)  # the kernel then detaches; a program with placeholders refuses to start


def _wait_for_exec(target: int) -> None:
    while True:
        _, status = os.waitpid(target, WALL)
        if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXEC << 8:
            return
        if not os.WIFSTOPPED(status):
            raise ProcessLookupError(errno.ESRCH, "it ended before it became the program")
        _ptrace(PTRACE_CONT, target, os.WSTOPSIG(status))


def _point(target: int, first: int, count: int) -> None:
    """Point `argv[first:first + count]` at the values of the environment variables that hold the arguments."""
    stat = Path(f"/proc/{target}/stat").read_text(encoding="ascii", errors="replace")
    stack = int(stat.rpartition(")")[2].split()[START_OF_STACK - 2])
    with open(f"/proc/{target}/mem", "r+b", buffering=0) as memory:  # noqa: PTH123

        def word(address: int) -> int:
            memory.seek(address)
            return int.from_bytes(memory.read(WORD), "little")

        argc = word(stack)
        wanted = {f"{VARIABLE}{index}=".encode(): first + index for index in range(count)}
        entry = stack + WORD * (argc + 2)
        while wanted and (pointer := word(entry)):
            memory.seek(pointer)
            name = memory.read(len(VARIABLE) + 8).partition(b"=")[0] + b"="
            if (place := wanted.pop(name, None)) is not None:
                memory.seek(stack + WORD * (1 + place))
                memory.write((pointer + len(name)).to_bytes(WORD, "little"))
            entry += WORD


def _ptrace(request: int, target: int, data: int) -> None:
    function = ctypes.CDLL(None, use_errno=True).ptrace
    function.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    function.restype = ctypes.c_long
    if function(request, target, None, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
