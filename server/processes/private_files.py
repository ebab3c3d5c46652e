"""Keeping a program that we do not write from opening its files to other users.

Triton's shared memory comes from Boost, which makes it 0644 by `fchmod` whatever the umask is; there is no option. So the kernel
is asked to leave out such calls of this process and of all that it becomes and starts: they succeed and change nothing.
"""

import ctypes
import errno
import os
import platform
import struct

OTHERS = 0o077
"""Rights of anybody but the owner."""

# linux/audit.h and asm/unistd_64.h; the machine that Triton's packages are for
MACHINE, AUDIT_ARCH, NR_FCHMOD, NR_SECCOMP = "x86_64", 0xC000003E, 91, 317
# linux/seccomp.h, linux/prctl.h. SPEC_ALLOW: a filter that is no sandbox needs no slower memory accesses.
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1, 4
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
PR_SET_NO_NEW_PRIVS = 38
# struct seccomp_data, in bytes
NUMBER, ARCHITECTURE, SECOND_ARGUMENT = 0, 4, 24
# linux/bpf_common.h
LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06

PROGRAM = (  # instruction, how many to skip if so and if not, operand
    (LOAD, 0, 0, ARCHITECTURE),
    (JUMP_IF_EQUAL, 0, 5, AUDIT_ARCH),
    (LOAD, 0, 0, NUMBER),
    (JUMP_IF_EQUAL, 0, 3, NR_FCHMOD),
    (LOAD, 0, 0, SECOND_ARGUMENT),
    (JUMP_IF_ANY_BIT, 0, 1, OTHERS),
    (RETURN, 0, 0, SECCOMP_RET_ERRNO),  # with the error 0
    (RETURN, 0, 0, SECCOMP_RET_ALLOW),
)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def keep_private() -> None:
    """Have every `fchmod` that would give rights to others do nothing, from here on and in all children.

    Raises:
        OSError: this kernel or its sandbox does not allow it.
    """
    if platform.machine() != MACHINE:
        raise OSError(errno.ENOSYS, f"not known on {platform.machine()}")
    instructions = b"".join(struct.pack("HBBI", *instruction) for instruction in PROGRAM)
    program = _Filter(len(PROGRAM), instructions)
    libc = ctypes.CDLL(None, use_errno=True)

    def install() -> int:
        flags = ctypes.c_ulong(SECCOMP_FILTER_FLAG_SPEC_ALLOW)
        done = libc.syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program))
        return 0 if done == 0 else ctypes.get_errno()

    error = install()
    if error == errno.EACCES:  # allowed to everybody who cannot gain rights by a setuid program any more
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        error = install()
    if error:
        raise OSError(error, os.strerror(error))
