import pytest

from stompede.transports.handshake import SUBPROTOCOLS, Admitted, HandshakeRefused, Rules, admit


def rules(origins: tuple[str, ...] = (), proxies: tuple[str, ...] = ()) -> Rules:
    return Rules.of(origins, proxies)


PLAIN = rules()


def admitted(
    headers: dict[str, str], secure: bool = False, rules: Rules = PLAIN, peer: str = "10.0.0.1"
) -> Admitted:
    return admit({"host": "example.org", **headers}, peer, secure, rules)


def refused(
    headers: dict[str, str], secure: bool = False, rules: Rules = PLAIN, peer: str = "10.0.0.1"
) -> HandshakeRefused:
    with pytest.raises(HandshakeRefused) as caught:
        admitted(headers, secure, rules, peer)
    return caught.value


# Origins.


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://example.org", "example.org", False),
        ("http://example.org:80", "example.org", False),
        ("http://example.org", "example.org:80", False),
        ("http://EXAMPLE.org", "example.ORG", False),
        ("https://example.org", "example.org", True),
        ("https://example.org:443", "example.org", True),
        ("https://example.org", "example.org:443", True),
        ("http://localhost:8080", "localhost:8080", False),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("http://[::1]", "[::1]", False),
        ("https://[2001:db8::1]", "[2001:db8::1]:443", True),
    ],
)
def test_the_nodes_own_origin_is_allowed(origin: str, host: str, secure: bool) -> None:
    assert admitted({"origin": origin, "host": host}, secure)


@pytest.mark.parametrize(
    ("origin", "host", "secure"),
    [
        ("http://evil.org", "example.org", False),
        ("http://example.org.evil.org", "example.org", False),
        ("http://example.org:8080", "example.org", False),
        ("http://example.org", "example.org:8080", False),
        ("http://localhost:3000", "localhost:8080", False),
        ("https://example.org", "example.org", False),
        ("http://example.org", "example.org", True),
        ("http://[::1]:8080", "[::1]:8081", False),
        ("http://[::2]", "[::1]", False),
        ("null", "example.org", False),
        ("", "example.org", False),
        ("file://", "example.org", False),
        ("http://example.org:port", "example.org", False),
        ("http://[::1", "example.org", False),
        ("http://example.org:99999", "example.org", False),
        ("http://", "", False),
        ("chrome-extension://abcdef", "example.org", False),
        ("http://user@example.org.evil.org", "example.org", False),
    ],
)
def test_other_origins_are_refused_with_a_sentence_that_says_what_to_do(
    origin: str, host: str, secure: bool
) -> None:
    refusal = refused({"origin": origin, "host": host}, secure)
    assert refusal.status == 403
    assert "STOMPEDE_ALLOWED_ORIGINS" in refusal.detail


@pytest.mark.parametrize("host", ["[::1", "example.org:port", "example.org:99999", ""])
def test_a_malformed_host_is_no_crash(host: str) -> None:
    assert refused({"origin": "http://example.org", "host": host}).status == 403


def test_without_an_origin_it_is_no_browser_and_fine() -> None:
    assert admitted({}) == Admitted("10.0.0.1", False, None)


def test_origins_of_other_sites_may_be_allowed_one_by_one() -> None:
    few = rules(("https://Example.com/", "http://localhost:3000"))
    assert admitted({"origin": "https://example.com"}, rules=few)
    assert admitted({"origin": "HTTPS://EXAMPLE.COM"}, rules=few)
    assert admitted({"origin": "http://localhost:3000"}, rules=few)
    assert refused({"origin": "http://example.com"}, rules=few)
    assert refused({"origin": "https://example.com:8443"}, rules=few)


def test_every_origin_may_be_allowed() -> None:
    assert admitted({"origin": "https://anything.example"}, rules=rules(("*",)))
    assert admitted({"origin": "null"}, rules=rules(("*",)))


# Proxies.


def test_forwarded_headers_of_strangers_are_not_believed() -> None:
    headers = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"}
    assert admitted(headers) == Admitted("10.0.0.1", False, None)
    assert admitted(headers, rules=rules(proxies=("192.168.0.0/16",))) == Admitted("10.0.0.1", False, None)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.1.1.1, 10.9.9.9", "10.1.1.1"),
        ("2001:db8::7", "2001:db8::7"),
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("1.2.3.4, unknown", "10.0.0.1"),
        ("unknown, 10.9.9.9", "10.9.9.9"),
    ],
)
def test_a_trusted_proxy_says_the_address_as_far_as_trusted_ones_wrote_it(
    forwarded: str, address: str
) -> None:
    trusting = rules(proxies=("10.0.0.0/8",))
    assert admitted({"x-forwarded-for": forwarded}, rules=trusting).address == address


def test_a_trusted_proxy_says_whether_the_client_speaks_tls() -> None:
    trusting = rules(proxies=("10.0.0.1",))
    origin = {"origin": "https://example.org"}
    assert admitted({**origin, "x-forwarded-proto": "https"}, rules=trusting).secure
    assert admitted({**origin, "x-forwarded-proto": "wss"}, rules=trusting).secure
    assert admitted({**origin, "x-forwarded-proto": "https, http"}, rules=trusting).secure
    assert refused({**origin, "x-forwarded-proto": "http"}, secure=True, rules=trusting)
    assert not admitted({}, rules=trusting).secure


def test_proxies_may_have_ipv6_addresses_and_sockets_without_addresses_are_no_proxies() -> None:
    trusting = rules(proxies=("fd00::/8",))
    assert admitted({"x-forwarded-for": "1.2.3.4"}, rules=trusting, peer="fd00::17").address == "1.2.3.4"
    assert admitted({"x-forwarded-for": "1.2.3.4"}, rules=trusting, peer="").address == ""


def test_an_ipv4_proxy_is_known_on_a_dual_stack_socket() -> None:
    trusting = rules(proxies=("10.0.0.0/8",))
    assert (
        admitted({"x-forwarded-for": "1.2.3.4"}, rules=trusting, peer="::ffff:10.0.0.1").address == "1.2.3.4"
    )


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        rules(proxies=("nonsense",))


# Subprotocols.


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("v12.stomp", "v12.stomp"),
        ("v10.stomp", "v10.stomp"),
        ("v10.stomp, v11.stomp, v12.stomp", "v12.stomp"),
        ("v11.stomp,v10.stomp", "v11.stomp"),
        ("chat, v11.stomp", "v11.stomp"),
    ],
)
def test_the_newest_offered_subprotocol_is_chosen(offered: str, chosen: str) -> None:
    assert admitted({"sec-websocket-protocol": offered}).subprotocol == chosen


@pytest.mark.parametrize("offered", ["chat", "V12.STOMP", "v13.stomp", "v12", "stomp"])
def test_a_client_that_offers_others_only_is_refused_and_told_ours(offered: str) -> None:
    refusal = refused({"sec-websocket-protocol": offered})
    assert refusal.status == 400
    assert all(name in refusal.detail for name in SUBPROTOCOLS)


def test_none_need_be_offered() -> None:
    assert admitted({}).subprotocol is None
    assert admitted({"sec-websocket-protocol": ""}).subprotocol is None
