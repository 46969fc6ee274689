import jwt
import pytest
from auth_support import NOW, SECRET

from stompede.auth import FixedKeys, KeySet, TokenIssuer, TokenVerifier, public_key, secret_key
from stompede.errors import ConfigurationError


def test_what_it_issues_the_verifier_accepts():
    issuer = TokenIssuer(SECRET, issuer="https://id", audience="stompede")
    keys = FixedKeys(KeySet([secret_key(SECRET)]))
    check = TokenVerifier(keys, algorithms=["HS256"], issuer="https://id", audience="stompede")
    principal = check.verify_nowait(issuer.issue("cook", ["admin", "b"], 60, NOW, riderId=7), NOW)
    assert (principal.name, principal.scopes, principal.expires_at) == ("cook", {"admin", "b"}, NOW + 60)
    assert principal.claims["riderId"] == 7
    assert principal.claims["iat"] == NOW


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_private_key_signs_with_the_algorithm_of_its_kind(pairs, algorithm):
    pair = pairs[algorithm]
    issuer = TokenIssuer(private_key_pem=pair.private_pem, kid="k")
    value = issuer.issue("cook", (), 60, NOW)
    assert issuer.algorithm == algorithm
    assert jwt.get_unverified_header(value) == {"alg": algorithm, "kid": "k", "typ": "JWT"}
    keys = KeySet([public_key(pair.public_pem, kid="k")])
    assert TokenVerifier(FixedKeys(keys), algorithms=[algorithm]).verify_nowait(value, NOW).name == "cook"


def test_scope_is_left_out_when_there_is_none_and_exp_is_a_whole_second():
    claims = jwt.decode(TokenIssuer(SECRET).issue("cook", (), 1.5, NOW), options={"verify_signature": False})
    assert claims == {"sub": "cook", "iat": NOW, "exp": NOW + 2}
    assert isinstance(claims["exp"], int)


@pytest.mark.parametrize(
    ("name", "scopes", "claims"),
    [
        ("", [], {}),
        ("a\nb", [], {}),
        ("n" * 256, [], {}),
        ("cook", ["two words"], {}),
        ("cook", [""], {}),
        ("cook", [], {"exp": 1}),
        ("cook", [], {"scope": "admin"}),
    ],
)
def test_malformed_wishes_are_refused(name, scopes, claims):
    with pytest.raises(ValueError, match=r"name|scope|claim"):
        TokenIssuer(SECRET).issue(name, scopes, 60, NOW, **claims)


def test_it_takes_one_good_key():
    with pytest.raises(ConfigurationError, match="at least 32"):
        TokenIssuer("short")
    with pytest.raises(ConfigurationError, match="not a PEM private key"):
        TokenIssuer(private_key_pem="nonsense")
    with pytest.raises(TypeError):
        TokenIssuer()
    with pytest.raises(TypeError):
        TokenIssuer(SECRET, private_key_pem="x")


def test_it_shows_no_key(pairs):
    assert repr(TokenIssuer(SECRET)) == "TokenIssuer(HS256)"
    assert repr(TokenIssuer(private_key_pem=pairs["EdDSA"].private_pem)) == "TokenIssuer(EdDSA)"
