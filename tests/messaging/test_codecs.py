import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from stompede.errors import ConfigurationError
from stompede.messaging.codecs import decoder, encode
from stompede.messaging.problem import Problem


class Say(msgspec.Struct):
    text: str
    n: int = 0


@dataclass
class Point:
    x: float
    y: float

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x is left of everything")


class Pong(TypedDict):
    n: int


class Item(BaseModel):
    name: str
    amounts: list[int] = []


class Order(BaseModel):
    item: Item
    order_id: int = Field(default=1, alias="orderId")


class Envelope(msgspec.Struct):
    order: Order


@pydantic_dataclass
class Checked:
    age: Annotated[int, Field(ge=0)]


@pytest.mark.parametrize(
    ("body_type", "body", "value"),
    [
        (Say, b'{"text":"soup"}', Say("soup")),
        (Point, b'{"x":1,"y":2.5}', Point(1, 2.5)),
        (Pong, b'{"n":3}', {"n": 3}),
        (Item, b'{"name":"a"}', Item(name="a")),
        (list[Item], b'[{"name":"a"}]', [Item(name="a")]),
        (Item | None, b"null", None),
        (Order, b'{"item":{"name":"a"},"orderId":7}', Order(item=Item(name="a"), orderId=7)),
        (Envelope, b'{"order":{"item":{"name":"a"}}}', Envelope(Order(item=Item(name="a")))),
        (Checked, b'{"age":3}', Checked(3)),
        (bytes, b"\x00\xff", b"\x00\xff"),
        (bytes | None, b"\x01", b"\x01"),
        (str, "höhö".encode(), "höhö"),
        (str | None, b"x", "x"),
        (Annotated[str, msgspec.Meta(max_length=3)], b"abc", "abc"),
        (int, b"17", 17),
        (list[int], b"[1,2]", [1, 2]),
        (dict[str, Say], b'{"a":{"text":"b"}}', {"a": Say("b")}),
        (Any, b'{"a":[1]}', {"a": [1]}),
        (dict, b'{"a":[1]}', {"a": [1]}),
        (Say | None, b"null", None),
    ],
)
def test_a_body_is_read_by_its_declared_type(body_type, body, value):
    assert decoder(body_type)(body) == value


@pytest.mark.parametrize(
    ("body_type", "body", "detail"),
    [
        (Say, b'{"text":1}', "Expected `str`, got `int` - at `$.text`"),
        (Say, b"{}", "Object missing required field `text`"),
        (Say, b"", "The body is empty; expected JSON."),
        (Say, b"{", "Input data was truncated"),
        (Say, b"soup", "JSON is malformed: invalid character (byte 0)"),
        (list[Say], b'[{"text":"a"},{"text":null}]', "Expected `str`, got `null` - at `$[1].text`"),
        (Point, b'{"x":-1,"y":1}', "x is left of everything"),
        (Any, b"[" * 100_000, "The JSON is nested too deeply."),
        (Any, b'"\xff"', "The body is not valid UTF-8."),
        (str, b"\xff", "The body is not valid UTF-8."),
        (Annotated[str, msgspec.Meta(max_length=3)], b"abcd", "Expected `str` of length <= 3"),
        (int, b"1" * 5000, "Integer value out of range"),
        (Item, b'{"name":1}', "Input should be a valid string - at `$.name`"),
        (
            Order,
            b'{"item":{"name":"a","amounts":[1,"x"]}}',
            "Input should be a valid integer, unable to parse string as an integer - at `$.item.amounts[1]`",
        ),
        (Item, b"[", "Invalid JSON: EOF while parsing a list at line 1 column 1"),
        (Item, b"", "The body is empty; expected JSON."),
        (Envelope, b'{"order":{"item":{}}}', "Field required - in `$.item.name` - at `$.order`"),
        (Checked, b'{"age":-3}', "Input should be greater than or equal to 0 - at `$.age`"),
    ],
)
def test_a_wrong_body_is_refused_with_the_path_of_the_field(body_type, body, detail):
    with pytest.raises(Problem) as caught:
        decoder(body_type)(body)
    assert caught.value.code == "invalid-body"
    assert caught.value.detail == detail


class Strange:
    pass


@pytest.mark.parametrize(
    "body_type",
    [object, Strange, list[Strange], set[complex], type, msgspec.defstruct("S", [("a", Strange)])],
)
def test_a_type_that_no_json_has_is_refused_at_once(body_type):
    with pytest.raises(
        ConfigurationError, match="cannot be read from JSON; use a Struct, dataclass, TypedDict"
    ):
        decoder(body_type)


def test_msgspec_s_own_reason_is_given_for_an_impossible_union():
    with pytest.raises(
        ConfigurationError, match="cannot be read from JSON: Type unions may not contain more than one"
    ):
        decoder(Say | Point)


def test_pydantic_s_own_reason_is_given_for_an_impossible_model():
    with pytest.raises(ConfigurationError, match="Unable to generate pydantic-core schema"):
        decoder(list[Item | Strange])


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        (b"\x00", b"\x00", "application/octet-stream"),
        (bytearray(b"a"), b"a", "application/octet-stream"),
        (memoryview(b"a"), b"a", "application/octet-stream"),
        ("höhö", "höhö".encode(), "text/plain;charset=utf-8"),
        (Say("soup"), b'{"text":"soup","n":0}', "application/json"),
        (Point(1, 2), b'{"x":1,"y":2}', "application/json"),
        ({"a": [1, None]}, b'{"a":[1,null]}', "application/json"),
        (None, b"null", "application/json"),
        (
            Order(item=Item(name="a"), orderId=2),
            b'{"item":{"name":"a","amounts":[]},"orderId":2}',
            "application/json",
        ),
        ([Item(name="a")], b'[{"name":"a","amounts":[]}]', "application/json"),
        (
            Envelope(Order(item=Item(name="a"))),
            b'{"order":{"item":{"name":"a","amounts":[]},"orderId":1}}',
            "application/json",
        ),
        (Checked(1), b'{"age":1}', "application/json"),
    ],
)
def test_values_are_encoded_by_what_they_are(value, body, content_type):
    assert encode(value) == (body, content_type)


def test_what_has_no_json_form_is_an_error_that_names_it():
    with pytest.raises(TypeError, match="a value of type Strange has no JSON form; return a Struct"):
        encode({"a": Strange()})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_what_is_encoded_is_read_again_and_is_the_json_that_everybody_reads(value):
    body, _ = encode(value)
    assert decoder(Any)(body) == value == json.loads(body)


@given(st.binary(max_size=60), st.sampled_from([Say, Item, list[int], Any, str, Envelope, Pong, Point]))
def test_no_body_raises_anything_but_a_problem(body, body_type):
    with suppress(Problem):
        decoder(body_type)(body)
