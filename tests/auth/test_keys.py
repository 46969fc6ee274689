import json

import pytest
from auth_support import SECRET, text
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from stompede.auth.keys import KeySet, check_algorithms, jwk_keys, private_key, public_key, secret_key
from stompede.errors import ConfigurationError


def jwks(*members):
    return json.dumps({"keys": list(members)}).encode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_has_the_one_algorithm_of_its_kind(pairs, algorithm):
    assert public_key(pairs[algorithm].public_pem).algorithm == algorithm
    assert private_key(pairs[algorithm].private_pem)[0] == algorithm


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_pem_and_jwk_of_one_key_are_the_same_key(pairs, algorithm):
    pair = pairs[algorithm]
    from_jwk = jwk_keys(jwks({**pair.jwk, "kid": "k"}), secrets_allowed=False, where="it")
    assert from_jwk == KeySet([public_key(pair.public_pem, kid="k")])


def test_a_private_jwk_only_checks_signatures(pairs):
    member = {**pairs["EdDSA"].jwk, "d": text(pairs["EdDSA"].private.private_bytes_raw())}
    keys = jwk_keys(jwks(member), secrets_allowed=False, where="it")
    assert keys == KeySet([public_key(pairs["EdDSA"].public_pem)])


def test_keys_that_are_not_for_us_are_passed_over(pairs):
    good = {**pairs["ES256"].jwk, "kid": "good", "use": "sig", "alg": "ES256", "key_ops": ["verify"]}
    others = [
        {**pairs["RS256"].jwk, "use": "enc"},
        {**pairs["RS256"].jwk, "alg": "RS512"},
        {**pairs["RS256"].jwk, "alg": "HS256"},
        {**pairs["RS256"].jwk, "key_ops": ["encrypt"]},
        {**pairs["ES256"].jwk, "crv": "P-384"},
        {**pairs["ES256"].jwk, "x": "AAAA"},
        {**pairs["RS256"].jwk, "n": 17},
        {**pairs["RS256"].jwk, "kid": 17},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {"kty": "oct", "k": text(SECRET.encode())},
        "text",
        None,
    ]
    keys = jwk_keys(jwks(*others, good), secrets_allowed=False, where="it")
    assert [key.kid for key in keys.find("ES256", None)] == ["good"]
    assert len(keys) == 1


def test_a_shared_secret_is_taken_from_a_file_only():
    document = jwks({"kty": "oct", "k": text(SECRET.encode()), "kid": "s"})
    assert jwk_keys(document, secrets_allowed=True, where="it") == KeySet([secret_key(SECRET, kid="s")])
    with pytest.raises(ConfigurationError, match="no key that can check"):
        jwk_keys(document, secrets_allowed=False, where="it")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "not a JWK set"),
        (b'{"keys": {}}', "not a JWK set"),
        (b'{"keys": []}', "no key that can check"),
        (b'{"keys": [' + b",".join([b"{}"] * 65) + b"]}", "more than 64"),
    ],
)
def test_a_document_that_is_no_key_set_is_named(document, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        jwk_keys(document, secrets_allowed=True, where="the set")


def test_a_token_with_a_kid_meets_the_key_of_that_name_or_one_without(pairs):
    named = public_key(pairs["RS256"].public_pem, kid="a")
    nameless = secret_key(SECRET)
    keys = KeySet([named, nameless, named])
    assert len(keys) == 2
    assert keys.find("RS256", "a") == (named,)
    assert keys.find("RS256", "b") == ()
    assert keys.find("RS256", None) == (named,)
    assert keys.find("HS256", "anything") == (nameless,)
    assert keys.find("none", None) == ()


def test_wrong_keys_are_refused_with_a_way_out(pairs):
    with pytest.raises(ConfigurationError, match=r"has 5 bytes .* openssl rand"):
        secret_key("short")
    with pytest.raises(ConfigurationError, match="is a PEM key"):
        secret_key(pairs["RS256"].public_pem)
    with pytest.raises(ConfigurationError, match=r"is a private key; .* -pubout"):
        public_key(pairs["RS256"].private_pem)
    with pytest.raises(ConfigurationError, match="not a PEM public key"):
        public_key("nonsense")
    with pytest.raises(ConfigurationError, match="not a PEM private key"):
        private_key("nonsense")


def test_weak_or_unused_kinds_of_keys_are_refused():
    small = rsa.generate_private_key(65537, 1024).public_key()
    curve = ec.generate_private_key(ec.SECP384R1())
    pem = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    with pytest.raises(ConfigurationError, match="1024 bits"):
        public_key(small.public_bytes(*pem))
    with pytest.raises(ConfigurationError, match="P-256"):
        public_key(curve.public_key().public_bytes(*pem))
    locked = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(ConfigurationError, match="passphrase"):
        private_key(locked)


def test_algorithms_are_pinned_to_ours():
    assert check_algorithms(["EdDSA", "HS256"]) == {"EdDSA", "HS256"}
    for wrong in (["none"], ["HS256", "PS256"], []):
        with pytest.raises(ConfigurationError, match="HS256, RS256, ES256, EdDSA"):
            check_algorithms(wrong)


def test_no_key_shows_its_secret():
    key = secret_key(SECRET, kid="own")
    assert repr(key) == "Key(HS256, kid='own')"
    assert SECRET not in f"{key}{KeySet([key])!r}"
