"""Codes of what clients are told: they branch on them."""

from __future__ import annotations

import re
from typing import Final

_is_code: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*").fullmatch


def check_code(code: str, owner: str) -> None:
    """Looks at the code that an error is made with, where its author sees it.

    Args:
        code: the code.
        owner: what is made with it, with its article.

    Raises:
        ValueError: it is not in kebab-case.
    """
    if not _is_code(code):
        raise ValueError(f"{code!r} is no code of {owner}; write it in kebab-case, for example room-closed")
