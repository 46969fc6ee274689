"""``python -m stompede`` is the command ``stompede``."""

from __future__ import annotations

from stompede.cli import main

if __name__ == "__main__":
    main()
