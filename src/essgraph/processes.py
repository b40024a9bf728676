"""Processes of ours: that they outlive nobody, and which one is which."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Linux: ends this process when its parent ends, whose pid is given (PR_SET_PDEATHSIG).
    Elsewhere a closed pipe must tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


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
