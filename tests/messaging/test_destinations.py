import pytest

from stompede.errors import ConfigurationError
from stompede.messaging.destinations import Kind, Prefixes, check_destination
from stompede.messaging.problem import Problem


@pytest.mark.parametrize(
    ("destination", "kind", "relative"),
    [
        ("/app/rooms/1/say", Kind.APP, "/rooms/1/say"),
        ("/app/x", Kind.APP, "/x"),
        ("/topic/rooms/1", Kind.TOPIC, "/rooms/1"),
        ("/queue/jobs", Kind.QUEUE, "/jobs"),
        ("/session/queue/replies", Kind.SESSION, "/queue/replies"),
        ("/user/queue/offers", Kind.USER, "/queue/offers"),
        ("/temp-queue/answers", Kind.TEMP, "/answers"),
        ("/app", Kind.UNKNOWN, "/app"),
        ("/application/x", Kind.UNKNOWN, "/application/x"),
        ("/topics/x", Kind.UNKNOWN, "/topics/x"),
        ("topic/x", Kind.UNKNOWN, "topic/x"),
        ("/elsewhere/x", Kind.UNKNOWN, "/elsewhere/x"),
        ("", Kind.UNKNOWN, ""),
    ],
)
def test_the_prefix_says_what_a_destination_is(destination, kind, relative):
    prefixes = Prefixes()
    assert prefixes.classify(destination) is kind
    assert prefixes.relative(destination) == relative


def test_prefixes_are_settings_and_there_may_be_several_for_handlers():
    prefixes = Prefixes(
        app=("/app", "/rider"), topic="/t", queue="/amq/queue", session="/me", user="/all-of-me"
    )
    assert prefixes.classify("/rider/commute") is Kind.APP
    assert prefixes.relative("/rider/commute") == "/commute"
    assert prefixes.classify("/t/x") is Kind.TOPIC
    assert prefixes.classify("/amq/queue/x") is Kind.QUEUE
    assert prefixes.relative("/amq/queue/x") == "/x"
    assert prefixes.replies == "/me/amq/queue/replies"


def test_messages_wait_in_queues_alone():
    prefixes = Prefixes(queue="/q", temp_queue="/tq")
    assert [one for one in ("/q/a", "/tq/a", "/topic/a", "/queue/a", "/q") if prefixes.is_queued(one)] == [
        "/q/a",
        "/tq/a",
    ]


def test_a_second_prefix_is_no_way_around_what_is_decided_by_destination():
    prefixes = Prefixes(app=("/app", "/rider"))
    assert prefixes.canonical("/rider/commute") == "/app/commute"
    assert prefixes.canonical("/app/commute") == "/app/commute"
    assert prefixes.canonical("/topic/rider/1") == "/topic/rider/1"


def test_replies_and_errors_have_their_places():
    assert Prefixes().replies == "/session/queue/replies"
    assert Prefixes().errors == "/session/queue/request-error"


@pytest.mark.parametrize("prefix", ["", "/", "app", "/app/", "/a//b", "/{app}"])
def test_a_malformed_prefix_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="it must look like /app"):
        Prefixes(app=(prefix,))


@pytest.mark.parametrize("topic", ["/app", "/app/topic", "/queue"])
def test_a_prefix_that_hides_another_is_refused(topic):
    with pytest.raises(ConfigurationError, match="one hides the other"):
        Prefixes(topic=topic)


def test_prefixes_that_only_begin_alike_are_fine():
    assert Prefixes(topic="/apple").classify("/apple/x") is Kind.TOPIC


@pytest.mark.parametrize(
    "destination", ["/topic/a", "/topic/kahvila ääkkösin", "/topic/\u00a0x", "/topic/\U0001f600"]
)
def test_a_printable_destination_is_accepted(destination):
    check_destination(destination, max_length=100)


@pytest.mark.parametrize(
    ("destination", "detail"),
    [
        ("", "empty"),
        ("/topic/" + "x" * 100, "has 107 bytes; 100 are allowed"),
        ("/topic/a\x00b", "control characters"),
        ("/topic/a\nb", "control characters"),
        ("/topic/a\x7f", "control characters"),
        ("/topic/a\x85", "control characters"),
        ("/topic/a\u2028", "control characters"),
    ],
)
def test_an_impossible_destination_is_refused(destination, detail):
    with pytest.raises(Problem, match=detail) as caught:
        check_destination(destination, max_length=100)
    assert caught.value.code == "invalid-destination"
