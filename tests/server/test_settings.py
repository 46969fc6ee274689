import pytest
from pydantic import ValidationError

from stompede import ConfigurationError, Settings, Stompede

LISTS = ("endpoints", "app_prefixes", "allowed_origins", "trusted_proxies", "jwt_algorithms")
FREE = ("app_prefixes", "trusted_proxies", "jwt_algorithms")


@pytest.mark.parametrize("name", FREE)
def test_lists_may_be_written_with_commas_also_in_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(Settings(**{name: " /a, /b ,,/c"}), name) == ("/a", "/b", "/c")
    assert getattr(Settings(**{name: ["/a", "/b"]}), name) == ("/a", "/b")
    assert getattr(Settings(**{name: ()}), name) == ()
    monkeypatch.setenv(f"STOMPEDE_{name.upper()}", "/x,/y")
    assert getattr(Settings(), name) == ("/x", "/y")
    assert getattr(Settings(**{name: ("/z",)}), name) == ("/z",), "what is given wins over the environment"


def test_every_list_may_be_written_with_commas() -> None:
    lists = {name for name, field in Settings.model_fields.items() if "tuple" in str(field.annotation)}
    assert lists == {*LISTS, "sockjs_transports", "compression", "place"}
    assert Settings(endpoints="/a,/b", compression="/a, /b").compression == ("/a", "/b")  # type: ignore[arg-type]
    assert Settings(sockjs_transports="websocket, iframe").sockjs_transports == ("websocket", "iframe")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="flash"):
        Settings(sockjs_transports="flash")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("endpoints", "sentence"),
    [
        ("", "there is none; name at least one path"),
        ("stomp", "stomp does not begin with a slash; write /stomp"),
        ("/a/{room}", "is no plain path"),
        ("/a*", "is no plain path"),
        ("/a?b=1", "is no plain path"),
        ("/a b", "is no plain path"),
        ("/a/", "is no plain path"),
        ("//a", "is no plain path"),
        ("/a,/b,/a", "/a stands there twice"),
    ],
)
def test_an_endpoint_that_nobody_can_reach_is_refused(endpoints: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(endpoints=endpoints)  # type: ignore[arg-type]
    assert sentence in str(refused.value)


def test_endpoints_are_plain_paths() -> None:
    for path in ("/", "/stomp", "/live/v1.0/stomp_(a)"):
        assert Settings(endpoints=(path,)).endpoints == (path,)


@pytest.mark.parametrize(
    ("origin", "meant"),
    [
        ("example.org", "https://example.org"),
        ("https://example.org/page", "write https://example.org,"),
        ("http://a.b:8080/x?y", "write http://a.b:8080,"),
        ("https://*.example.org", "is no origin"),
        ("/a", "is no origin"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str, meant: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(allowed_origins=(origin,))
    assert "is no origin: scheme, host and port, without a path" in str(refused.value)
    assert meant in str(refused.value)


def test_origins_of_browsers_and_apps_are_taken() -> None:
    origins = (
        "*",
        "null",
        "https://example.org",
        "http://[::1]:8080",
        "capacitor://localhost",
        "https://a.b/",
    )
    assert Settings(allowed_origins=origins).allowed_origins == origins


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "http://a.example/stomp",
        "ws:///stomp",
        "wss://a.example:99999/",
        "ws://[::1/stomp",
        "wss://a b/",
        "",
    ],
)
def test_a_public_url_that_no_client_can_connect_to_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(public_url=url)
    assert f"public_url: {url} is no WebSocket URL; write one like wss://" in str(refused.value)


def test_a_public_url_is_a_websocket_url() -> None:
    for url in ("wss://live.example.org/stomp", "ws://[::1]:8080/stomp", "ws://10.0.0.7"):
        assert Settings(public_url=url).public_url == url


def test_a_name_that_no_setting_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_bodies"):
        Settings(max_bodies=3)  # type: ignore[call-arg]


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings().max_body_bytes = 3  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_the_environment_sets_numbers_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOMPEDE_MAX_BODY_BYTES", "77")
    monkeypatch.setenv("STOMPEDE_ANONYMOUS", "false")
    monkeypatch.setenv("STOMPEDE_IDLE_TIMEOUT_S", "1.5")
    settings = Settings()
    assert (settings.max_body_bytes, settings.anonymous, settings.idle_timeout_s) == (77, False, 1.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_body_bytes", 0), ("max_headers", -1), ("idle_timeout_s", 0), ("heart_beat_send_ms", -1),
        ("pool_threads", 0), ("log_level", "loud"), ("jwt_leeway_s", -1), ("max_handlers", 0), ("outbound_bytes", 0),
        ("outbound_age_s", "inf"), ("presence_grace_s", "nan"), ("idle_timeout_s", float("inf")),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


def test_secrets_are_not_shown() -> None:
    assert "s3cret" not in repr(Settings(jwt_secret="s3cret" * 8))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trusted_proxies": ("nonsense",)}, "trusted_proxies"),
        ({"app_prefixes": ("app",)}, "prefix"),
        ({"topic_prefix": "/app"}, "hides"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_the_application_is_made(
    settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        Stompede(settings=Settings(**settings))


async def test_a_bus_that_is_not_known_is_refused_at_start() -> None:
    with pytest.raises(ConfigurationError, match="memory://"):
        async with Stompede(settings=Settings(bus="nats://x", jwt_secret="x" * 40)).running():
            pass
