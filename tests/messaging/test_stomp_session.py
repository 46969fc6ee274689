import pytest

from stompede._types import Principal
from stompede.messaging.session import StompSession


def test_a_session_says_who_and_where_it_is():
    session = StompSession(
        id="s",
        node_id="n",
        client_address="10.0.0.1:5",
        version="1.2",
        headers={"host": "h"},
        principal=Principal("cook"),
    )
    assert (session.id, session.node_id, session.client_address, session.version) == (
        "s",
        "n",
        "10.0.0.1:5",
        "1.2",
    )
    assert session.headers == {"host": "h"}
    assert session.principal == Principal("cook")
    assert repr(session) == "<StompSession s of cook>"


def test_an_anonymous_session_has_no_principal():
    session = StompSession(id="s", node_id="n")
    assert session.principal is None
    assert repr(session) == "<StompSession s of anonymous>"


def test_attributes_are_the_application_s_own():
    one, two = StompSession(id="1", node_id="n"), StompSession(id="2", node_id="n")
    one.attributes["seen"] = 3
    assert one.attributes == {"seen": 3}
    assert two.attributes == {}


def test_the_application_does_not_change_the_principal_nor_add_fields():
    session = StompSession(id="s", node_id="n")
    with pytest.raises(AttributeError):
        session.principal = Principal("thief")
    with pytest.raises(AttributeError):
        session.more = 1
