"""How much of its memory a process uses, and how much its allocators keep free, in C and in Python.

RSS is both together, and what is free within the heap comes and goes with how full it once was. What a library in C has
(OpenSSL) is nothing that the garbage collector, tracemalloc or Python's own allocator knows of: it is in malloc's
figures alone.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
from typing import NamedTuple

_libc = ctypes.CDLL(None)


class Allocated(NamedTuple):
    """Bytes.

    Attributes:
        c: that malloc has given out and that were not given back; Python's objects of more than 512 bytes, too.
        python: the same of Python's own allocator, which has its arenas beside malloc.
        c_free: that malloc keeps, for next time.
        python_free: that Python's arenas keep.
    """

    c: int
    python: int
    c_free: int
    python_free: int


class _MallInfo2(ctypes.Structure):
    """``struct mallinfo2`` of glibc: see mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def allocated() -> Allocated:
    """What this process has now. Without glibc 2.33 malloc's figures are zero."""
    info = _MallInfo2()
    if hasattr(_libc, "mallinfo2"):
        _libc.mallinfo2.restype = _MallInfo2
        info = _libc.mallinfo2()
    arenas, used = _pymalloc()
    return Allocated(info.uordblks + info.hblkhd, used, info.fordblks, arenas - used)


def _pymalloc() -> tuple[int, int]:
    """The bytes of Python's arenas, and how many of them are given out: what CPython writes on the C library's
    ``stderr``, which is another file for as long.
    """
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            sys._debugmallocstats()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        file.seek(0)
        text = file.read().decode().replace(",", "")
    arenas = re.search(r"bytes/arena += +(\d+)", text)
    used = re.search(r"# bytes in allocated blocks += +(\d+)", text)
    return (int(arenas[1]) if arenas else 0, int(used[1]) if used else 0)


def trim() -> None:
    """Gives what malloc keeps free back to the system, where it can: whole pages."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def take(size_bytes: int) -> None:
    """Takes that much of malloc for ever, in small parts, as a library does that leaks."""
    _libc.malloc.restype = ctypes.c_void_p
    for _ in range(size_bytes // 4096):
        assert _libc.malloc(ctypes.c_size_t(4096))
