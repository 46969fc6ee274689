"""What an application says of its queues: checked at start, told in the catalogue."""

import re
from typing import Any

import pytest

from serving import make_app
from stompede import ConfigurationError, Queue, Stompede


@pytest.mark.parametrize(
    ("dead", "sentence"),
    [("/topic/dead", "is no queue; begin it with /queue/"), ("/queue/jobs", "is the queue itself")],
)
def test_dead_letters_go_to_another_queue(dead: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Stompede().destination("/queue/jobs", queue=Queue(dead_letters=dead))


def test_the_catalogue_tells_of_queues_and_their_bounds() -> None:
    app = Stompede()
    app.destination("/queue/jobs", queue=Queue(max_messages=5, dead_letters="/queue/dead"), carries=[int])
    app.destination("/queue/plain", carries=[int], description="Numbers.")

    @app.message("/count", publish="/queue/counted")
    async def count(body: int) -> int:
        return body

    channels = {one["address"]: one for one in app.catalogue()["channels"].values()}
    assert "each message goes to one consumer" in channels["/queue/jobs"]["description"]
    assert channels["/queue/plain"]["description"].startswith("Numbers. A queue:")
    assert "each message goes to one consumer" in channels["/queue/counted"]["description"]
    bounds = channels["/queue/jobs"]["x-queue"]
    assert (bounds["max_messages"], bounds["full"], bounds["dead_letters"]) == (5, "refuse", "/queue/dead")
    assert "ttl_s" not in bounds


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"full": "drop_oldest"}, "'refuse' or 'drop-oldest'"),
        ({"max_messages": 0}, "max_messages=0: it is a whole number"),
        ({"max_bytes": -1}, "max_bytes=-1"),
        ({"max_deliveries": "3"}, "max_deliveries='3'"),
        ({"max_messages": 1.5}, "max_messages=1.5"),
        ({"ttl_s": 0}, "ttl_s=0: it is more than 0 seconds"),
        ({"ttl_s": -1.0}, "ttl_s=-1.0"),
        ({"dead_letters": "/queue/*"}, "without wildcards and variables"),
        ({"dead_letters": "/queue/{name}-dead"}, "without wildcards and variables"),
        ({"dead_letters": "/queue/"}, "begin it with /queue/ and a name"),
        ({"dead_letters": "/queue/a\nb"}, "control characters"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused_with_a_sentence(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(why)):
        Stompede().destination("/queue/jobs", queue=Queue(**said))


async def test_dead_letters_that_go_round_are_refused_at_the_start() -> None:
    app = make_app()
    app.destination("/queue/{name}", queue=Queue(dead_letters="/queue/dead"))
    app.destination("/queue/dead", queue=Queue(dead_letters="/queue/deader"))
    with pytest.raises(
        ConfigurationError, match="from /queue/dead to /queue/deader to /queue/dead, and round again"
    ):
        async with app.running():
            pass


async def test_dead_letters_may_have_dead_letters_that_end_somewhere() -> None:
    app = make_app()
    app.destination("/queue/{name}", queue=Queue(dead_letters="/queue/dead"))
    app.destination("/queue/dead", queue=Queue(dead_letters="/queue/deader"))
    app.destination("/queue/deader", queue=Queue())
    async with app.running():
        pass
