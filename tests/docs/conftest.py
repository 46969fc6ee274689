"""The examples of the documentation, importable by their file names, each anew for each test."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Imports an example; what it keeps on disk goes to a directory of the test's own."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for name in [name for name in os.environ if name.startswith("STOMPEDE_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STOMPEDE_DATA_DIR", str(tmp_path))
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    forget(names)
    yield importlib.import_module
    forget(names)


def forget(names: set[str]) -> None:
    for name in names & sys.modules.keys():
        del sys.modules[name]
