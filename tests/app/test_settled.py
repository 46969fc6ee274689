"""What an application is made of: its settings from the environment, and the FastAPI application around it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from starlette.applications import Starlette

from stompede import ConfigurationError, Settings, Stompede
from stompede._app import settled
from stompede.cli._values import fields
from stompede.server.misfits import misspelt, variable


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("STOMPEDE_")]:
        monkeypatch.delenv(name)
    settled._told.clear()
    yield
    settled._told.clear()


def warnings() -> list[str]:
    """What making an application warns of."""
    with structlog.testing.capture_logs() as logs:
        Stompede()
    return [line["event"] for line in logs if line["log_level"] == "warning"]


def test_a_variable_that_is_nearly_a_setting_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOMPEDE_MAX_SESION", "1")
    monkeypatch.setenv("STOMPEDE_PUBLICURL", "wss://a.example/")
    assert sorted(warnings()) == [
        "STOMPEDE_MAX_SESION is no setting; did you mean STOMPEDE_MAX_SESSIONS?",
        "STOMPEDE_PUBLICURL is no setting; did you mean STOMPEDE_PUBLIC_URL?",
    ]
    assert warnings() == []


def test_settings_of_others_and_of_the_command_are_not_warned_of() -> None:
    others = (
        "SERVICE_HOST",
        "SERVICE_PORT_HTTP",
        "PORT_8080_TCP_ADDR",
        "TOKEN",
        "CONFIG",
        "HOME",
        "REPLICAS",
    )
    given = {f"STOMPEDE_{name}": "x" for name in others} | {variable(name): "1" for name in fields()}
    given |= {"MAX_SESION": "1", "STOMPEDE_PORT": "tcp://10.0.0.1:80"}
    assert list(misspelt(Settings, given)) == []


def test_a_value_that_does_not_fit_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOMPEDE_MAX_SESSIONS", "-1")
    monkeypatch.setenv("STOMPEDE_PUBLIC_URL", "foo")
    with pytest.raises(ConfigurationError) as refused:
        Stompede()
    assert str(refused.value) == "STOMPEDE_MAX_SESSIONS=-1: Input should be greater than 0"
    monkeypatch.delenv("STOMPEDE_MAX_SESSIONS")
    with pytest.raises(
        ConfigurationError, match=r"^public_url: foo is no WebSocket URL; write one like wss://"
    ):
        Stompede()


def test_the_value_of_a_secret_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOMPEDE_LOG_LEVEL", "loud")
    monkeypatch.setenv("STOMPEDE_JWT_SECRET", "hunter2")
    with pytest.raises(ConfigurationError) as refused:
        Stompede()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Starlette(), "Stompede(Starlette): it takes a FastAPI application, or none"),
        ("x", "Stompede(str): it takes a FastAPI application, or none"),
        (FastAPI, "it takes a FastAPI application, or none"),
    ],
)
def test_what_is_no_fastapi_application_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Stompede(given)
    assert sentence in str(refused.value)


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^Stompede\(settings=dict\): settings is a Settings: write"
    ):
        Stompede(settings={"max_sessions": 3})  # type: ignore[arg-type]
