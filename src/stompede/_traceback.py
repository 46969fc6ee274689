"""Tracebacks for the log, as text that is made here.

structlog is the application's to configure, and its default renderer prints the local variables of every frame where it
can. They hold tokens, passcodes and bodies. So what is logged is the finished text, never the exception.
"""

from __future__ import annotations

import traceback


def traceback_of(error: BaseException) -> str:
    """The traceback of an error, of its causes, too, without the values of variables."""
    return "".join(traceback.format_exception(error)).rstrip("\n")
