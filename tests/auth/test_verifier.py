import hashlib
import hmac
import json
import timeit

import jwt
import pytest
from auth_support import NOW, SECRET, make_pair, text
from hypothesis import given
from hypothesis import strategies as st

from stompede.auth import (
    FixedKeys,
    JwksFile,
    KeySet,
    KeyUnknown,
    TokenIssuer,
    TokenVerifier,
    public_key,
    secret_key,
)
from stompede.errors import AuthenticationError, ConfigurationError


def verifier(*keys, algorithms=("HS256",), **options):
    return TokenVerifier(FixedKeys(KeySet(keys or [secret_key(SECRET)])), algorithms=algorithms, **options)


def token(headers=None, key=SECRET, algorithm="HS256", **claims):
    return jwt.encode({"sub": "cook", "exp": int(NOW) + 60, **claims}, key, algorithm, headers)


def refused(check, value, now=NOW):
    with pytest.raises(AuthenticationError) as caught:
        check.verify_nowait(value, now)
    return caught.value


def test_a_token_gives_the_principal_with_scopes_and_claims():
    principal = verifier().verify_nowait(token(scope="admin cook", team="red"), NOW)
    assert principal.name == "cook"
    assert principal.scopes == {"admin", "cook"}
    assert principal.claims["team"] == "red"
    assert principal.expires_at == NOW + 60


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_every_algorithm_works_with_its_key(pairs, algorithm):
    pair = pairs[algorithm]
    check = verifier(public_key(pair.public_pem), algorithms=[algorithm])
    assert check.verify_nowait(token(key=pair.private_pem, algorithm=algorithm), NOW).name == "cook"
    assert "signature is wrong" in str(
        refused(check, token(key=make_pair(algorithm).private, algorithm=algorithm))
    )


def test_a_verified_token_is_remembered_as_the_same_principal():
    check, value = verifier(), token()
    assert check.verify_nowait(value, NOW) is check.verify_nowait(value, NOW + 0.5)
    assert check.statistics().verified == 1


def test_a_remembered_token_ends_at_its_exp():
    check, value = verifier(), token()
    check.verify_nowait(value, NOW)
    assert check.verify_nowait(value, NOW + 59.999).name == "cook"
    assert refused(check, value, NOW + 60).code == "token-expired"
    assert refused(check, value, NOW + 60).code == "token-expired"
    assert check.statistics().remembered.entries == 0
    assert check.statistics().expired == 2


def test_leeway_is_forgiven_at_both_ends():
    check = verifier(leeway_s=5)
    assert check.verify_nowait(token(nbf=int(NOW) + 5), NOW).expires_at == NOW + 65
    assert "not valid yet" in str(refused(check, token(nbf=int(NOW) + 6)))
    assert check.verify_nowait(token(exp=int(NOW) - 4), NOW)
    assert refused(check, token(exp=int(NOW) - 5)).code == "token-expired"
    with pytest.raises(ConfigurationError):
        verifier(leeway_s=-1)


def test_time_is_the_one_passed_in():
    assert verifier().verify_nowait(token(exp=60), 0.0).expires_at == 60


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": "now"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "two\nlines"},
        {"sub": "n" * 256},
        {"scope": 7},
        {"scope": [7]},
        {"jti": 7},
    ],
)
def test_malformed_claims_are_refused(claims):
    assert refused(verifier(), token(**claims)).code == "token-invalid"


def test_required_claims_issuer_and_audience_are_checked():
    assert "`team` is missing" in str(refused(verifier(required_claims=["team"]), token()))
    check = verifier(issuer="https://id", audience="stompede")
    assert check.verify_nowait(token(iss="https://id", aud=["other", "stompede"]), NOW)
    assert "issuer" in str(refused(check, token(iss="https://evil", aud="stompede")))
    assert "audience" in str(refused(check, token(iss="https://id", aud="other")))
    assert "`iss` is missing" in str(refused(check, token(aud="stompede")))
    assert "`aud` is missing" in str(refused(check, token(iss="https://id")))
    assert "audience" in str(refused(verifier(), token(aud="other")))


def test_scopes_are_read_as_string_and_as_list():
    check = verifier()
    assert check.verify_nowait(token(scope=["a", "b"]), NOW).scopes == {"a", "b"}
    assert check.verify_nowait(token(scp="c d"), NOW).scopes == {"c", "d"}
    assert check.verify_nowait(token(scope="  "), NOW).scopes == frozenset()


def test_claims_are_read_only_in_depth():
    claims = verifier().verify_nowait(token(roles=["a", {"b": ["c"]}]), NOW).claims
    assert claims["roles"] == ("a", {"b": ("c",)})
    with pytest.raises(TypeError):
        claims["sub"] = "admin"
    with pytest.raises(TypeError):
        claims["roles"][1]["b"] = ()


def test_claims_nested_too_deeply_are_refused():
    payload = b'{"sub":"cook","exp":1800000060,"x":' + b"[" * 1500 + b"]" * 1500 + b"}"
    deep = jwt.api_jws.encode(payload, SECRET, "HS256")
    assert refused(verifier(max_token_chars=100_000), deep).code == "token-invalid"


def forged(header, key=b""):
    """A token with this header, signed by HMAC with this key."""
    claims = {"sub": "admin", "exp": int(NOW) + 60}
    signed = ".".join(text(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{text(hmac.digest(key, signed.encode(), hashlib.sha256)) if key else ''}"


def test_a_public_key_never_serves_as_a_secret(pairs):
    for pair in pairs.values():
        value = forged({"alg": "HS256"}, pair.public_pem)
        for algorithms in ([pair.algorithm], [pair.algorithm, "HS256"]):
            assert (
                refused(verifier(public_key(pair.public_pem), algorithms=algorithms), value).code
                == "token-invalid"
            )


def test_a_secret_never_checks_another_algorithm(pairs):
    everything = ["HS256", "RS256", "ES256", "EdDSA"]
    check = verifier(secret_key(SECRET), public_key(pairs["RS256"].public_pem), algorithms=everything)
    for algorithm in ("RS256", "ES256", "EdDSA"):
        assert refused(check, forged({"alg": algorithm}, SECRET.encode())).code == "token-invalid"
    mixed = jwt.encode({"sub": "admin", "exp": NOW + 60}, pairs["ES256"].private_pem, "ES256")
    assert refused(check, mixed).code == "token-invalid"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, "HS384", ["HS256"], {"HS256": 1}, 7])
def test_none_and_unpinned_algorithms_are_refused(alg):
    error = refused(verifier(), forged({"alg": alg}))
    assert "must be signed with HS256" in str(error)
    assert refused(verifier(), forged({"alg": alg}, SECRET.encode())).code == "token-invalid"
    assert refused(verifier(), forged({"typ": "JWT"})).code == "token-invalid"


def test_unknown_critical_headers_and_unencoded_payloads_are_refused():
    for header in ({"crit": ["exp"], "exp": 1}, {"b64": False, "crit": ["b64"]}, {"b64": False}, {"kid": 7}):
        assert (
            refused(verifier(), forged({"alg": "HS256", **header}, SECRET.encode())).code == "token-invalid"
        )


def test_a_long_token_is_refused_unread():
    check = verifier(max_token_chars=100)
    assert "longer than 100" in str(refused(check, "x" * 101))
    assert refused(check, "x" * 10_000_000).code == "token-invalid"


def test_an_empty_token_is_missing():
    assert refused(verifier(), "").code == "token-missing"


@given(st.one_of(st.text(), st.builds(".".join, st.lists(st.text("AZaz09-_="), min_size=2, max_size=4))))
def test_any_text_gives_nothing_but_an_authentication_error(value):
    assert refused(verifier(), value).code in {"token-invalid", "token-missing"}


@given(st.binary(), st.binary())
def test_any_json_inside_gives_nothing_but_an_authentication_error(header, payload):
    signed = text(b'{"alg":"HS256",' + header) + "." + text(payload)
    assert refused(verifier(), f"{signed}.AAAA").code == "token-invalid"
    assert refused(verifier(), jwt.api_jws.encode(payload, SECRET, "HS256")).code == "token-invalid"


def test_one_changed_character_is_refused():
    value = token()
    check = verifier()
    for at in range(len(value)):
        changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert refused(check, changed).code == "token-invalid"
    assert check.statistics().refused == len(value)


def test_bad_tokens_neither_take_memory_nor_drive_good_ones_out():
    check = verifier(max_remembered=2)
    good = [token(team=n) for n in range(2)]
    for value in good:
        check.verify_nowait(value, NOW)
    for n in range(100):
        refused(check, token(key="x" * 32, team=n))
    assert check.statistics().remembered.entries == 2
    for value in good:
        check.verify_nowait(value, NOW)
    assert check.statistics().verified == 2


def test_the_memory_is_bounded_and_a_driven_out_token_is_only_verified_again():
    check = verifier(max_remembered=2)
    values = [token(team=n) for n in range(3)]
    for value in values:
        check.verify_nowait(value, NOW)
    statistics = check.statistics().remembered
    assert (statistics.entries, statistics.evicted) == (2, 1)
    assert check.verify_nowait(values[0], NOW).name == "cook"
    assert check.statistics().verified == 4


def test_tick_forgets_expired_tokens():
    check = verifier()
    check.verify_nowait(token(), NOW)
    check.tick(NOW + 61)
    assert check.statistics().remembered.entries == 0


def test_a_token_of_a_removed_key_stops_counting(tmp_path, pairs):
    old, new = pairs["ES256"], pairs["EdDSA"]
    path = tmp_path / "keys.json"
    both = [{**old.jwk, "kid": "old"}, {**new.jwk, "kid": "new"}]
    path.write_text(json.dumps({"keys": both}))
    check = verifier_of_file(path)
    values = [
        token({"kid": "old"}, old.private_pem, "ES256"),
        token({"kid": "new"}, new.private_pem, "EdDSA"),
    ]
    for value in values:
        check.verify_nowait(value, NOW)
    path.write_text(json.dumps({"keys": both[1:]}))
    assert check.verify_nowait(values[0], NOW + 0.5).name == "cook", "a file is looked at once a second"
    assert "not known" in str(refused(check, values[0], NOW + 1))
    assert check.verify_nowait(values[1], NOW + 1).name == "cook"
    assert check.generation == 1


def test_a_token_of_an_added_key_counts_and_nothing_is_forgotten(tmp_path, pairs):
    old, new = pairs["ES256"], pairs["EdDSA"]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [old.jwk]}))
    check = verifier_of_file(path)
    check.verify_nowait(token(None, old.private_pem, "ES256"), NOW)
    value = token(None, new.private_pem, "EdDSA")
    error = refused(check, value)
    assert error.code == "token-invalid"
    assert not isinstance(error, KeyUnknown)
    path.write_text(json.dumps({"keys": [old.jwk, new.jwk]}))
    check.tick(NOW + 1)
    assert check.verify_nowait(value, NOW + 1).name == "cook"
    assert check.statistics().remembered.entries == 2
    assert check.generation == 0


def verifier_of_file(path):
    return TokenVerifier(JwksFile(path), algorithms=["ES256", "EdDSA"])


def test_a_clock_that_was_set_back_looks_again():
    check, value = verifier(), token()
    check.verify_nowait(value, NOW)
    assert check.verify_nowait(value, NOW - 3600).name == "cook"


def test_neither_the_verifier_nor_its_errors_show_a_secret():
    check = verifier()
    value = token(key="x" * 32)
    error = refused(check, value)
    shown = f"{check!r}{error!r}{error}{error.__cause__!r}{check.statistics()!r}"
    assert SECRET not in shown
    for part in value.split("."):
        assert part not in shown


def test_a_hit_is_cheap():
    check = verifier()
    value = TokenIssuer(SECRET).issue("cook", ["a", "b"], 3600, NOW)
    check.verify_nowait(value, NOW)
    best = min(timeit.repeat(lambda: check.verify_nowait(value, NOW), number=10_000, repeat=7)) / 10_000
    assert best < 1.5e-6, "0.2 us where the machine is quiet; the bound allows for a busy one"
