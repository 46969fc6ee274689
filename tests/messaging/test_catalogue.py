import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from fastapi import Header
from pydantic import BaseModel, Field

from stompede._types import Principal
from stompede.messaging.binding import bind_handler
from stompede.messaging.catalogue import Catalogue
from stompede.messaging.destinations import Prefixes
from stompede.messaging.problem import ERROR_CODES


class Say(msgspec.Struct, rename="camel"):
    text: Annotated[str, msgspec.Meta(max_length=200)]
    reply_to: int | None = None


class Said(msgspec.Struct, frozen=True):
    who: str
    text: str


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float


class Drawing(msgspec.Struct):
    shapes: list[Circle | Square]
    corner: tuple[float, float]


class Address(BaseModel):
    street: str


class Order(BaseModel):
    id: int
    to: Address
    note: str = Field(default="", max_length=20)


class Envelope(msgspec.Struct):
    order: Order


@dataclass
class Taken:
    by: str


class Pong(TypedDict):
    n: int


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


async def say(room: str, body: Say, who: Principal | None) -> Said:
    """Says something in a room.

    Everybody there gets it.
    """
    raise AssertionError


async def take(
    order_id: int, who: Principal, body: Order, lang: Annotated[str, Header("accept-language")]
) -> Taken | None:
    raise AssertionError


async def ping(body: bytes) -> Pong:
    raise AssertionError


async def draw(colour: Colour, size: Literal["s", "l"], body: Drawing) -> Circle | Square:
    raise AssertionError


async def wrap(body: Envelope) -> list[Order]:
    raise AssertionError


async def note(body: str) -> str:
    raise AssertionError


async def anything(body: Any):
    raise AssertionError


async def nothing() -> None:
    raise AssertionError


async def members(room: str) -> list[Said]:
    raise AssertionError


async def run(func, *args):
    raise AssertionError


def bound(func, pattern, publish=None, kind="message"):
    return bind_handler(func, pattern=pattern, publish=publish, kind=kind, run_blocking=run)


def sample_catalogue() -> Catalogue:
    """An application with everything that a catalogue can show; also what AsyncAPI's own tool validates."""
    catalogue = Catalogue(
        title="Sample",
        version="1.2.3",
        description="A sample.",
        prefixes=Prefixes(app=("/app", "/rider")),
    )
    catalogue.add_server("stomp", host="localhost:8080", pathname="/stomp")
    catalogue.add_server("stomps", host="example.org", pathname="/stomp", secure=True)
    catalogue.add_message_handler(bound(say, "/rooms/{room}/say", "/topic/rooms/{room}"), reply=False)
    catalogue.add_message_handler(
        bound(take, "/orders/{order_id}/take", "/topic/orders/{order_id}"), reply=True
    )
    catalogue.add_message_handler(bound(ping, "/ping"), reply=True)
    catalogue.add_message_handler(bound(draw, "/draw/{colour}/{size}"), reply=True)
    catalogue.add_message_handler(bound(wrap, "/wrap"), reply=True)
    catalogue.add_message_handler(bound(note, "/note", "/topic/notes"), reply=False)
    catalogue.add_message_handler(bound(anything, "/anything"), reply=True)
    catalogue.add_message_handler(bound(nothing, "/nothing"), reply=False)
    catalogue.add_subscribe_handler(bound(members, "/rooms/{room}/members", kind="subscribe"))
    catalogue.add_guard("/topic/rooms/{name}", ["subscribe"])
    catalogue.add_publication("/topic/rider/{id}", [Said, Order], description="Where a rider is.")
    catalogue.add_publication("/topic/rooms/{id}")
    return catalogue


@pytest.fixture
def document():
    return sample_catalogue().document()


def resolve(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_the_document_is_plain_json_and_every_reference_resolves(document):
    again = json.loads(json.dumps(document))
    found = list(references(again))
    assert len(found) > 40
    for reference in found:
        assert resolve(again, reference) is not None


def test_a_handler_of_messages_is_received_and_its_publication_sent(document):
    operation = document["operations"]["say"]
    assert operation["action"] == "receive"
    assert operation["summary"] == "Says something in a room."
    assert operation["description"] == "Everybody there gets it."
    channel = resolve(document, operation["channel"]["$ref"])
    assert channel["address"] == "/app/rooms/{room}/say"
    assert channel["parameters"] == {"room": {"description": "str"}}
    message = resolve(document, resolve(document, operation["messages"][0]["$ref"])["$ref"])
    assert resolve(document, message["payload"]["$ref"])["properties"]["replyTo"]["default"] is None
    published = document["operations"]["say.publish"]
    assert published["action"] == "send"
    assert resolve(document, published["channel"]["$ref"])["address"] == "/topic/rooms/{room}"


def test_a_reply_goes_to_the_channel_of_replies(document):
    reply = document["operations"]["take"]["reply"]
    assert resolve(document, reply["channel"]["$ref"])["address"] == "/session/queue/replies"
    message = resolve(document, resolve(document, reply["messages"][0]["$ref"])["$ref"])
    assert message["name"] == "Taken"
    assert resolve(document, message["payload"]["$ref"])["required"] == ["by"]
    headers = resolve(document, message["headers"]["$ref"])
    assert "client-request-code" in headers["properties"]


def test_a_union_that_is_returned_becomes_one_message_each(document):
    names = [m["$ref"].rpartition("/")[2] for m in document["operations"]["draw"]["reply"]["messages"]]
    assert names == ["Circle.reply", "Square.reply"]


def test_every_app_prefix_is_shown(document):
    assert document["channels"]["app.ping"]["x-also"] == ["/rider/ping"]
    assert "x-also" not in document["channels"]["topic.notes"]


def test_headers_of_a_handler_stand_beside_the_common_ones(document):
    headers = document["components"]["messages"]["take.send"]["headers"]
    common, own = headers["allOf"]
    assert "Authorization" in resolve(document, common["$ref"])["properties"]
    assert own["properties"] == {"accept-language": {"type": "string"}}
    assert own["required"] == ["accept-language"]


def test_what_is_guarded_or_wants_a_member_says_so(document):
    assert document["operations"]["say.publish"]["x-guarded"] is True
    assert document["operations"]["take"]["security"] == [{"$ref": "#/components/securitySchemes/token"}]
    assert "security" not in document["operations"]["ping"]
    assert document["channels"]["topic.rooms.room"]["x-guards"] == [
        {"pattern": "/topic/rooms/{name}", "on": ["subscribe"]}
    ]


def test_one_destination_is_one_channel_however_its_variables_are_named(document):
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert addresses.count("/topic/rooms/{room}") == 1
    assert "/topic/rooms/{id}" not in addresses


def test_enums_and_literals_of_the_path_are_listed(document):
    parameters = document["channels"]["app.draw.colour.size"]["parameters"]
    assert parameters["colour"]["enum"] == ["red", "blue"]
    assert parameters["size"]["enum"] == ["s", "l"]


def test_the_error_channel_lists_the_stable_codes(document):
    operation = document["operations"]["error"]
    assert resolve(document, operation["channel"]["$ref"])["address"] == "/session/queue/request-error"
    message = resolve(document, resolve(document, operation["messages"][0]["$ref"])["$ref"])
    body = resolve(document, message["payload"]["$ref"])
    assert set(body["properties"]) == {"code", "detail", "destination", "clientRequestCode", "errorId"}
    codes = resolve(document, body["properties"]["code"]["anyOf"][0]["$ref"])
    assert codes["enum"] == list(ERROR_CODES)


def test_schemas_are_in_the_dialect_of_asyncapi(document):
    drawing = document["components"]["schemas"]["Drawing"]
    assert drawing["properties"]["shapes"]["items"]["discriminator"] == "type"
    corner = drawing["properties"]["corner"]
    assert corner["items"] == [{"type": "number"}, {"type": "number"}]
    assert corner["additionalItems"] is False
    assert "prefixItems" not in json.dumps(document)
    assert "$defs" not in json.dumps(document)


def test_pydantic_models_inside_structs_and_lists_are_one_component(document):
    schemas = document["components"]["schemas"]
    assert schemas["Envelope"]["properties"]["order"] == {"$ref": "#/components/schemas/Order"}
    wrapped = document["components"]["messages"]["list.Order.reply"]["payload"]
    assert wrapped == {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
    assert schemas["Order"]["properties"]["to"] == {"$ref": "#/components/schemas/Address"}


def test_text_and_bytes_have_their_content_types(document):
    messages = document["components"]["messages"]
    assert messages["note.send"]["contentType"] == "text/plain;charset=utf-8"
    assert messages["ping.send"]["contentType"] == "application/octet-stream"


def test_a_handler_without_a_body_has_a_message_without_payload(document):
    message = document["components"]["messages"]["nothing.send"]
    assert "payload" not in message
    assert document["operations"]["nothing"]["messages"] == [
        {"$ref": "#/channels/app.nothing/messages/nothing.send"}
    ]


def test_types_of_one_name_stay_apart():
    other_said = msgspec.defstruct("Said", [("text", bytes)], module="other")

    class SaidModel(BaseModel):
        n: int

    SaidModel.__name__ = "Said"
    catalogue = Catalogue(title="t", version="1")
    catalogue.add_publication("/topic/a", [Said])
    catalogue.add_publication("/topic/b", [other_said])
    catalogue.add_publication("/topic/c", [SaidModel])
    document = catalogue.document()
    payloads = [
        resolve(document, message["payload"]["$ref"]) if "$ref" in message["payload"] else message["payload"]
        for key, message in document["components"]["messages"].items()
        if "Said" in key
    ]
    assert sorted(tuple(payload["properties"]) for payload in payloads) == [
        ("n",),
        ("text",),
        ("who", "text"),
    ]


def test_two_handlers_of_one_name_are_two_operations():
    catalogue = Catalogue(title="t", version="1")
    catalogue.add_message_handler(bound(note, "/a"), reply=False)
    catalogue.add_message_handler(bound(note, "/b"), reply=False)
    assert set(catalogue.document()["operations"]) == {"note", "note.2", "error"}


def test_a_result_without_a_schema_may_be_anything():
    class Strange:
        pass

    class Hook(BaseModel):
        run: Callable[[], None]

    async def handler(): ...

    results = {
        object: "object",
        list[Strange]: "list.Strange",
        Hook: "Hook",
        list[Order | Strange]: "list.Order.Strange",
    }
    for result, name in results.items():
        handler.__annotations__["return"] = result
        catalogue = Catalogue(title="t", version="1")
        catalogue.add_message_handler(bound(handler, "/strange"), reply=True)
        assert catalogue.document()["components"]["messages"][f"{name}.reply"]["payload"] == {}


def test_a_struct_may_hold_a_model_of_its_own_name():
    catalogue = Catalogue(title="t", version="1")
    catalogue.add_publication("/topic/a", [msgspec.defstruct("Order", [("order", Order)])])
    document = catalogue.document()
    (payload,) = [m["payload"] for key, m in document["components"]["messages"].items() if "Order" in key]
    assert resolve(document, payload["$ref"])["properties"] == {
        "order": {"$ref": "#/components/schemas/Order"}
    }
    assert "to" in resolve(document, "#/components/schemas/Order")["properties"]


def test_three_types_of_one_name_are_numbered():
    catalogue = Catalogue(title="t", version="1")
    for number in range(3):
        said = msgspec.defstruct("Said", [(f"n{number}", int)], module="same")
        catalogue.add_publication(f"/topic/{number}", [said])
    messages = catalogue.document()["components"]["messages"]
    assert [name for name in messages if "Said" in name] == [
        "Said.message",
        "same.Said.message",
        "same.Said2.message",
    ]
