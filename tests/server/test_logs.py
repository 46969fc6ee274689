"""What the log never holds, whoever renders it."""

from pathlib import Path

import pytest
import structlog

import stompede
from serving import make_app
from stompede import Principal, testing
from stompede.errors import StompedeError

SOURCES = sorted(Path(stompede.__file__).parent.rglob("*.py"))


async def test_structlogs_own_renderer_shows_no_passcode_of_a_login_that_fails(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.reset_defaults()
    app = make_app()

    @app.authenticate
    async def login(login: str, passcode: str) -> Principal:
        raise RuntimeError("the database is down")

    async with app.running():
        with pytest.raises(StompedeError):
            async with testing.connect(app, login="cook", passcode="hunter2"):
                pass
    said = "".join(capsys.readouterr())
    assert "the database is down" in said
    assert "hunter2" not in said


def test_nobody_hands_an_exception_to_the_log() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert "log.exception(" not in text, path
        if "structlog.get_logger" in text:
            assert "exc_info=" not in text, path
