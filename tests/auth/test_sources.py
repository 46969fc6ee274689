import asyncio
import json
import os

import jwt
import pytest
from auth_support import NOW

from stompede.auth import FetchError, JwksFile, JwksUrl, KeyUnknown, TokenVerifier
from stompede.errors import AuthenticationError, ConfigurationError


class Provider:
    """An identity provider whose keys and moods the test sets; it counts how often it is asked."""

    def __init__(self, *keys):
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None
        self.serve(*keys)

    def serve(self, *keys):
        self.document = json.dumps({"keys": keys}).encode()

    async def fetch(self, url, timeout_s, max_bytes):
        self.asked += 1
        self.was_asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.document


def named(pair, kid):
    return {**pair.jwk, "kid": kid}


def token(pair, kid):
    headers = None if kid is None else {"kid": kid}
    return jwt.encode({"sub": "cook", "exp": int(NOW) + 3600}, pair.private_pem, pair.algorithm, headers)


def check_with(provider, **options):
    source = JwksUrl("https://id.example/keys?key=s3cret", fetch=provider.fetch, **options)
    return TokenVerifier(source, algorithms=["ES256", "EdDSA"])


async def test_the_first_token_brings_the_keys(pairs):
    provider = Provider(named(pairs["ES256"], "a"))
    check = check_with(provider)
    with pytest.raises(KeyUnknown):
        check.verify_nowait(token(pairs["ES256"], "a"), NOW)
    assert (await check.verify(token(pairs["ES256"], "a"), NOW)).name == "cook"
    assert check.verify_nowait(token(pairs["ES256"], "a"), NOW).name == "cook"
    assert provider.asked == 1


async def test_an_unknown_kid_leads_to_one_fetch_and_finds_the_rotated_key(pairs):
    old, new = pairs["ES256"], pairs["EdDSA"]
    provider = Provider(named(old, "a"))
    check = check_with(provider)
    await check.refresh(NOW)
    provider.serve(named(old, "a"), named(new, "b"))
    value = token(new, "b")
    later = NOW + 10
    with pytest.raises(KeyUnknown) as caught:
        check.verify_nowait(value, later)
    assert caught.value.code == "token-invalid"
    assert (await check.verify(value, later)).name == "cook"
    assert provider.asked == 2


async def test_a_rotated_key_without_a_name_is_found_too(pairs):
    provider = Provider(pairs["EdDSA"].jwk)
    check = check_with(provider)
    await check.refresh(NOW)
    provider.serve(pairs["ES256"].jwk)
    assert (await check.verify(token(pairs["ES256"], None), NOW + 10)).name == "cook"


async def test_many_made_up_names_lead_to_no_more_fetches_than_the_distance_allows(pairs):
    provider = Provider(named(pairs["ES256"], "a"))
    check = check_with(provider, min_interval_s=10)
    for n in range(100):
        with pytest.raises(AuthenticationError, match="not known") as caught:
            await check.verify(token(pairs["EdDSA"], f"made-up-{n}"), NOW + n / 5)
        assert not isinstance(caught.value, KeyUnknown)
    assert provider.asked == 2
    with pytest.raises(AuthenticationError) as caught:
        check.verify_nowait(token(pairs["EdDSA"], "x"), NOW + 19)
    assert not isinstance(caught.value, KeyUnknown), "within the distance nobody needs to wait"


async def test_a_wrong_signature_of_a_known_name_leads_to_no_fetch(pairs):
    provider = Provider(named(pairs["ES256"], "a"))
    check = check_with(provider)
    await check.refresh(NOW)
    forged = token(pairs["ES256"], "a")[:-8] + "AAAAAAAA"
    with pytest.raises(AuthenticationError, match="signature is wrong"):
        await check.verify(forged, NOW + 60)
    assert provider.asked == 1


async def test_concurrent_callers_share_one_fetch_and_survive_the_first_one_leaving(pairs):
    provider = Provider(named(pairs["ES256"], "a"))
    provider.gate.clear()
    check = check_with(provider)
    value = token(pairs["ES256"], "a")
    async with asyncio.TaskGroup() as group:
        first, *others = [group.create_task(check.verify(value, NOW)) for _ in range(10)]
        await provider.was_asked.wait()
        first.cancel()
        provider.gate.set()
    assert first.cancelled()
    assert [task.result().name for task in others] == ["cook"] * 9
    assert provider.asked == 1


@pytest.mark.parametrize(
    "error", [FetchError("the answer is 500"), ConnectionResetError(104, "reset"), TimeoutError()]
)
async def test_the_last_good_keys_stay_while_the_provider_is_down(pairs, error):
    provider = Provider(named(pairs["ES256"], "a"))
    check = check_with(provider)
    value = token(pairs["ES256"], "a")
    await check.verify(value, NOW)
    provider.error = error
    await check.refresh(NOW + 400)
    assert check.verify_nowait(value, NOW + 400).name == "cook"
    assert check.statistics().keys.failures == 1
    provider.error = None
    provider.document = b"<html>maintenance</html>"
    await check.refresh(NOW + 500)
    assert check.verify_nowait(value, NOW + 500).name == "cook"
    assert check.statistics().keys.failures == 2


async def test_a_provider_that_never_answers_is_given_up_after_the_timeout(pairs):
    provider = Provider()
    provider.gate.clear()
    check = check_with(provider, timeout_s=0.01)
    with pytest.raises(AuthenticationError) as caught:
        await check.verify(token(pairs["ES256"], "a"), NOW)
    assert caught.value.code == "unavailable"
    assert check.statistics().keys.failures == 1


async def test_a_withdrawn_key_stops_counting_after_the_next_fetch(pairs):
    provider = Provider(named(pairs["ES256"], "a"), named(pairs["EdDSA"], "b"))
    check = check_with(provider, max_age_s=300)
    assert check.refresh_due(NOW)
    value = token(pairs["ES256"], "a")
    await check.verify(value, NOW)
    assert not check.refresh_due(NOW + 299)
    assert check.refresh_due(NOW + 300)
    provider.serve(named(pairs["EdDSA"], "b"))
    await check.refresh(NOW + 300)
    with pytest.raises(AuthenticationError, match="not known"):
        check.verify_nowait(value, NOW + 300)
    assert check.generation == 1
    assert check.statistics().keys.changes == 2


async def test_closing_gives_up_the_fetch_on_its_way(pairs):
    provider = Provider()
    provider.gate.clear()
    check = check_with(provider)
    waiting = asyncio.create_task(check.verify(token(pairs["ES256"], "a"), NOW))
    await provider.was_asked.wait()
    await check.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x", "data:,x", "https://", "keys.json"])
def test_only_web_addresses_are_fetched(url):
    with pytest.raises(ConfigurationError, match="https://"):
        JwksUrl(url)


@pytest.mark.parametrize("url", ["foo", "https:/id.example/keys", "//id.example/keys"])
def test_a_url_that_is_none_shows_how_one_is_written(url):
    with pytest.raises(
        ConfigurationError, match=r"write it whole, like https://login\.example\.org/jwks\.json$"
    ):
        JwksUrl(url)


@pytest.mark.parametrize(
    "url", ["https://id.example:port/keys", "https://id.example:99999/keys", "https://[::1/keys"]
)
def test_a_url_with_a_part_that_is_none_is_refused(url):
    with pytest.raises(ConfigurationError, match="the JWKS URL is none: "):
        JwksUrl(url)


def test_the_log_names_the_port_of_the_url_and_not_its_query():
    assert (
        JwksUrl("https://id.example:8443/keys?key=s3cret")._where == "JWKS URL https://id.example:8443/keys"
    )


def test_a_login_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        JwksUrl("https://user:s3cret@id.example/keys")
    assert "s3cret" not in str(caught.value)


def test_a_missing_or_wrong_file_is_said_at_start(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        JwksFile(tmp_path / "none.json")
    (tmp_path / "wrong.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="not a JWK set"):
        JwksFile(tmp_path / "wrong.json")
    (tmp_path / "large.json").write_bytes(b" " * 300_000)
    with pytest.raises(ConfigurationError, match="larger than"):
        JwksFile(tmp_path / "large.json")


def test_a_file_half_written_or_gone_leaves_the_last_good_keys(tmp_path, pairs):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [pairs["ES256"].jwk]}))
    source = JwksFile(path)
    good = source.keys
    path.write_text('{"keys": [')
    source.look(NOW)
    assert source.keys is good
    path.unlink()
    source.look(NOW)
    assert source.keys is good
    assert source.statistics().failures == 2
    beside = tmp_path / "new.json"
    beside.write_text(json.dumps({"keys": [pairs["EdDSA"].jwk]}))
    beside.replace(path)
    source.look(NOW)
    assert source.keys.find("EdDSA", None)
    assert not source.keys.find("ES256", None)


def test_a_file_that_did_not_change_is_not_read_again(tmp_path, pairs):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [pairs["ES256"].jwk]}))
    source = JwksFile(path)
    for _ in range(3):
        source.look(NOW)
    assert source.statistics().refreshes == 1
    os.utime(path, (1, 1))
    source.look(NOW)
    assert source.statistics().refreshes == 2
    assert source.statistics().changes == 0
