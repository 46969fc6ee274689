from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.messaging.message import Message
from stompede.server.fanout.envelope import dump, load
from stompede.server.fanout.publication import Publication

_texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    _texts,
    st.binary(),
    st.none() | _texts,
    st.dictionaries(_texts, _texts),
    st.none() | _texts,
    st.none() | _texts,
)
def test_what_was_dumped_is_loaded_as_it_was(
    destination: str,
    body: bytes,
    content_type: str | None,
    headers: dict[str, str],
    principal: str | None,
    message_id: str | None,
) -> None:
    publication = Publication(Message(destination, body, content_type, headers), principal, message_id)
    assert load(dump(publication)) == publication


def test_the_names_are_those_that_other_programs_read() -> None:
    message = Message("/topic/a", b'{"x":1}', "application/json", {"room": "7"})
    assert json.loads(dump(Publication(message, "17", "ab-3"))) == {
        "principalName": "17",
        "destination": "/topic/a",
        "messageJsonString": '{"x":1}',
        "v": 1,
        "contentType": "application/json",
        "headers": {"room": "7"},
        "id": "ab-3",
    }


def test_the_three_names_that_must_be_there_are_enough() -> None:
    data = b'{"principalName":null,"destination":"/topic/a","messageJsonString":"{}","somethingNew":[1]}'
    assert load(data) == Publication(Message("/topic/a", b"{}"))


def test_a_body_that_is_no_text_travels_as_base64() -> None:
    dumped = json.loads(dump(Publication(Message("/topic/a", b"\xff\x00"))))
    assert (dumped["messageJsonString"], dumped["bodyBase64"]) == ("", "/wA=")


def test_the_id_stands_last_so_that_a_store_can_add_it() -> None:
    message = Message("/topic/a", b"\xff", "text/plain", {"a": "b"})
    assert dump(Publication(message, None, "e-1")) == dump(Publication(message))[:-1] + b',"id":"e-1"}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b'{"principalName":null,"messageJsonString":""}', "destination"),
        (b'{"principalName":1,"destination":"/topic/a","messageJsonString":""}', "principalName"),
        (b'{"principalName":null,"destination":"/a","messageJsonString":"","bodyBase64":"%"}', "bodyBase64"),
    ],
)
def test_what_is_no_envelope_is_refused_with_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load(data)
