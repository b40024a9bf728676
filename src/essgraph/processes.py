"""Processes of ours: that they outlive nobody, connect nowhere, and which one is which."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
#: Of a machine: its name in the audit of system calls, and the numbers of those that make sockets
#: (socket(2) and io_uring_setup(2)).
_MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}


def die_with(parent: int) -> None:
    """Linux: ends this process when its parent ends, whose pid is given (PR_SET_PDEATHSIG).
    Elsewhere a closed pipe must tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def forbid_sockets() -> bool:
    """Linux: from now on this process can make no socket, whatever runs in it (seccomp(2)). False
    where that cannot be had."""
    known = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    machine, *calls = known
    load, equal, least, end = 0x20, 0x15, 0x35, 0x06  # of a word; jumps; return (linux/filter.h)
    # A jump passes over so many steps where it is true, so many where it is not.
    steps = [
        (load, 0, 0, 4),  # the machine of the call
        (equal, 0, len(calls) + 3, machine),
        (load, 0, 0, 0),  # its number
        (least, len(calls) + 1, 0, 0x40000000),  # the same machine's other numbering (x32)
        *((equal, len(calls) - n, 0, call) for n, call in enumerate(calls)),
        (end, 0, 0, 0x7FFF0000),  # allowed
        (end, 0, 0, 0x00050000 | errno.EACCES),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    filtering = (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program))
    return not (prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(*filtering))


def identity(pid: int | None = None) -> str:
    """What tells a process (this one) from every other, of any machine, for as long as both run:
    its boot, its name space, its pid and when it began. Linux only; elsewhere nothing."""
    number = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
        # The name, in brackets, may hold anything (proc_pid_stat(5)).
        began = Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{boot}/{space}/{number}/{began}"


def ended(told: str) -> bool:
    """Whether the process of that identity was one of this machine and is no more."""
    here = identity()
    where, _, number = told.rpartition("/")[0].rpartition("/")
    if not here or where != here.rpartition("/")[0].rpartition("/")[0] or not number.isdigit():
        return False
    return identity(int(number)) != told
