from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.errors import ConfigurationError
from stompede.messaging.paths import path_converter
from stompede.messaging.problem import Problem


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    S = 1


@pytest.mark.parametrize("annotation", [str, Any])
def test_text_stays_as_it_is(annotation):
    assert path_converter("x", annotation, "w") is None


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "7", 7),
        (int, "-7", -7),
        (float, "0.5", 0.5),
        (bool, "true", True),
        (bool, "0", False),
        (Colour, "red", Colour.RED),
        (Size, "1", Size.S),
        (Literal["a", "b"], "b", "b"),
        (Literal[1, 2], "2", 2),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (Decimal, "1.10", Decimal("1.10")),
        (date, "2024-02-29", date(2024, 2, 29)),
        (int | bool, "true", True),
        (Annotated[int, msgspec.Meta(ge=1)], "1", 1),
        (Annotated[str, msgspec.Meta(max_length=3)], "abc", "abc"),
    ],
)
def test_text_becomes_the_type(annotation, text, value):
    assert path_converter("x", annotation, "w")(text) == value


@pytest.mark.parametrize(
    ("annotation", "text", "detail"),
    [
        (int, "x", "Expected `int`, got `str` - at `{x}`"),
        (int, " 7", "Expected `int`, got `str` - at `{x}`"),
        (bool, "yes", "Expected `bool`, got `str` - at `{x}`"),
        (Colour, "blue", "Invalid enum value 'blue' - at `{x}`"),
        (UUID, "7", "Invalid UUID - at `{x}`"),
        (Annotated[int, msgspec.Meta(ge=1)], "0", "Expected `int` >= 1 - at `{x}`"),
        (Annotated[str, msgspec.Meta(max_length=3)], "abcd", "Expected `str` of length <= 3 - at `{x}`"),
    ],
)
def test_other_text_is_a_problem(annotation, text, detail):
    with pytest.raises(Problem) as caught:
        path_converter("x", annotation, "w")(text)
    assert (caught.value.code, caught.value.detail) == ("invalid-path", detail)


@given(st.text(max_size=12))
def test_no_text_raises_anything_else(text):
    for annotation in (int, float, bool, Colour, UUID, Decimal, date, int | bool):
        try:
            path_converter("x", annotation, "w")(text)
        except Problem:
            continue


@pytest.mark.parametrize(
    "annotation", [list[int], dict, bytes, type, complex, int | None, set[int] | list[int]]
)
def test_a_type_that_no_segment_has_is_refused(annotation):
    with pytest.raises(
        ConfigurationError, match=r"^w: path variable \{x\} is one segment of text and cannot have the"
    ):
        path_converter("x", annotation, "w")
