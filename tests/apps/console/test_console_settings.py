"""Settings of the page."""

import pytest
from pydantic import ValidationError

from stompede.apps.console import ConsoleSettings


def test_without_settings_the_map_needs_no_internet() -> None:
    assert ConsoleSettings().tiles is None


def test_empty_template_means_none() -> None:
    assert ConsoleSettings(tiles="").tiles is None


@pytest.mark.parametrize(
    "tiles",
    [
        "tile.example.org/{z}/{x}/{y}.png",
        "https://tile.example.org/map.png",
        "https://{s}.tile.example.org/{z}/{x}/{y}.png",
        "https://a.example;script-src/{z}/{x}/{y}.png",
        "https://a.example b.example/{z}/{x}/{y}.png",
        "https://user@a.example/{z}/{x}/{y}.png",
        "javascript:alert(1)//{z}",
        "https:///{z}/{x}/{y}.png",
    ],
)
def test_template_that_would_open_the_policy_is_refused_at_start(tiles: str) -> None:
    with pytest.raises(ValidationError, match="expected a URL template like"):
        ConsoleSettings(tiles=tiles)
