"""Where the browser is that tests drive."""

from __future__ import annotations

import os
import shutil
from typing import Final

_NAMES: Final = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """Path of the Chromium that ``STOMPEDE_CHROMIUM`` names, or of the one that is installed."""
    for name in (os.environ.get("STOMPEDE_CHROMIUM", ""), *_NAMES):
        if name and (found := shutil.which(name)):
            return found
    return None
