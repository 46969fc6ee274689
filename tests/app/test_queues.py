"""What an application says of its queues: checked at start, told in the catalogue."""

import pytest

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
