import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from auth_support import NOW, SECRET

from stompede.auth import TokenIssuer, issuer_from, verifier_from
from stompede.errors import ConfigurationError


@dataclass
class Given:
    data_dir: Path = Path("unused")
    jwt_algorithms: tuple[str, ...] = ("HS256",)
    jwt_secret: str | None = None
    jwt_public_key: Path | None = None
    jwt_jwks_file: Path | None = None
    jwt_jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_leeway_s: float = 0.0
    token_cache: int = 10


def test_without_a_key_the_node_takes_its_own(tmp_path):
    given = Given(data_dir=tmp_path)
    value = issuer_from(given).issue("cook", (), 60, NOW)
    assert verifier_from(given).verify_nowait(value, NOW).name == "cook"
    assert (tmp_path / "token.key").exists()


def test_the_secret_is_used_both_ways_with_issuer_and_audience(tmp_path):
    given = Given(jwt_secret=SECRET, jwt_issuer="i", jwt_audience="a")
    value = issuer_from(given).issue("cook", (), 60, NOW)
    principal = verifier_from(given).verify_nowait(value, NOW)
    assert (principal.claims["iss"], principal.claims["aud"]) == ("i", "a")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_file_checks(tmp_path, pairs, algorithm):
    path = tmp_path / "key.pem"
    path.write_bytes(pairs[algorithm].public_pem)
    given = Given(jwt_public_key=path, jwt_algorithms=(algorithm,))
    value = TokenIssuer(private_key_pem=pairs[algorithm].private_pem).issue("cook", (), 60, NOW)
    assert verifier_from(given).verify_nowait(value, NOW).name == "cook"
    with pytest.raises(ConfigurationError, match="STOMPEDE_JWT_PUBLIC_KEY only checks tokens"):
        issuer_from(given)


def test_a_jwks_file_checks(tmp_path, pairs):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [pairs["EdDSA"].jwk]}))
    value = TokenIssuer(private_key_pem=pairs["EdDSA"].private_pem).issue("cook", (), 60, NOW)
    check = verifier_from(Given(jwt_jwks_file=path, jwt_algorithms=("EdDSA",)))
    assert check.verify_nowait(value, NOW).name == "cook"


async def test_a_jwks_url_checks(pairs):
    async def fetch(url, timeout_s, max_bytes):
        return json.dumps({"keys": [pairs["EdDSA"].jwk]}).encode()

    check = verifier_from(Given(jwt_jwks_url="https://id/keys", jwt_algorithms=("EdDSA",)), fetch=fetch)
    await check.refresh(NOW)
    value = TokenIssuer(private_key_pem=pairs["EdDSA"].private_pem).issue("cook", (), 60, NOW)
    assert check.verify_nowait(value, NOW).name == "cook"


def test_settings_that_cannot_work_say_how_to_mend_them(tmp_path, pairs):
    pem = tmp_path / "key.pem"
    pem.write_bytes(pairs["RS256"].public_pem)
    cases = [
        (
            Given(jwt_secret=SECRET, jwt_public_key=pem),
            "STOMPEDE_JWT_SECRET and STOMPEDE_JWT_PUBLIC_KEY both",
        ),
        (Given(jwt_public_key=pem), "set STOMPEDE_JWT_ALGORITHMS"),
        (Given(jwt_public_key=pem, jwt_algorithms=("ES256",)), "set STOMPEDE_JWT_ALGORITHMS=RS256"),
        (Given(jwt_jwks_url="https://id/keys"), "set STOMPEDE_JWT_ALGORITHMS"),
        (Given(jwt_secret=SECRET, jwt_algorithms=("RS256",)), "add HS256"),
        (Given(jwt_algorithms=("RS256",)), "node's own key is a shared secret"),
        (Given(jwt_algorithms=("none",)), "none is not known"),
        (Given(jwt_secret="short"), "at least 32"),
        (Given(jwt_public_key=tmp_path / "gone.pem", jwt_algorithms=("RS256",)), "No such file"),
    ]
    for given, sentence in cases:
        with pytest.raises(ConfigurationError, match=sentence):
            verifier_from(given)
