import time

import jwt
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from stompede import ConfigurationError, Settings
from stompede.auth import verifier_from
from stompede.cli._token import token

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STOMPEDE_DATA_DIR", str(tmp_path / "var"))
    app = typer.Typer()
    app.command()(token)

    def run(*arguments):
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def claims_of(result):
    return jwt.decode(result.stdout.strip(), options={"verify_signature": False})


def test_it_prints_the_token_alone_and_the_node_accepts_it(run, tmp_path):
    result = run("cook", "--scope", "admin", "--scope", "b", "--ttl", "30m")
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""
    principal = verifier_from(Settings()).verify_nowait(result.stdout.strip(), time.time())
    assert (principal.name, principal.scopes) == ("cook", {"admin", "b"})
    assert principal.expires_at == pytest.approx(time.time() + 1800, abs=30)
    assert (tmp_path / "var" / "token.key").exists()


def test_it_uses_the_configured_secret_issuer_and_audience(run, tmp_path, monkeypatch):
    monkeypatch.setenv("STOMPEDE_JWT_SECRET", SECRET)
    monkeypatch.setenv("STOMPEDE_JWT_AUDIENCE", "stompede")
    result = run("cook", "--set", "jwt_issuer=https://id")
    claims = jwt.decode(result.stdout.strip(), SECRET, ["HS256"], audience="stompede", issuer="https://id")
    assert claims["exp"] - claims["iat"] in {3600, 3601}
    assert not (tmp_path / "var").exists()


def test_it_reads_the_settings_file(run, tmp_path):
    (tmp_path / "node.toml").write_text(f'jwt_secret = "{SECRET}"\ntoken_ttl_s = 60\n')
    result = run("cook", "--config", "node.toml")
    claims = jwt.decode(result.stdout.strip(), SECRET, ["HS256"])
    assert claims["exp"] - claims["iat"] in {60, 61}


def test_claims_are_json_or_else_text(run):
    given = ["riderId=7", "team=red", 'roles=["a"]', 'number="7"', "empty=", "sum=1=1"]
    claims = claims_of(run("rider-7", *(part for claim in given for part in ("--claim", claim))))
    wanted = {"riderId": 7, "team": "red", "roles": ["a"], "number": "7", "empty": "", "sum": "1=1"}
    assert {name: claims[name] for name in wanted} == wanted


def test_a_private_key_signs_where_nodes_only_check(run, tmp_path, monkeypatch):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    result = run("cook", "--private-key", str(path), "--kid", "k1")
    assert jwt.get_unverified_header(result.stdout.strip())["kid"] == "k1"
    assert jwt.decode(result.stdout.strip(), key.public_key(), ["EdDSA"])["sub"] == "cook"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cook", "--ttl", "soon"], "write 90s, 30m, 1h or 7d"),
        (["cook", "--ttl", "0"], "write 90s"),
        (["cook", "--ttl", "-1h"], "write 90s"),
        (["cook", "--ttl", "4000d"], "ten years"),
        (["cook", "--claim", "team"], "--claim team=red"),
        (["cook", "--claim", "exp=1"], "`exp` is set by the issuer"),
        (["cook", "--scope", "two words"], "is not one word"),
        (["a\nb"], "printable characters"),
        (["cook", "--kid", "k"], "--private-key FILE"),
        (["cook", "--private-key", "gone.pem"], "No such file"),
        (["cook", "--set", "jwt_secret=short"], "at least 32"),
        (
            ["cook", "--set", "jwt_jwks_url=https://id/k", "--set", "jwt_algorithms=RS256"],
            "--private-key FILE",
        ),
    ],
)
def test_what_cannot_work_says_what_to_do(run, arguments, sentence):
    with pytest.raises(ConfigurationError) as caught:
        run(*arguments)
    assert sentence in str(caught.value)


def test_a_key_file_that_others_may_read_is_refused(run, tmp_path):
    run("cook")
    (tmp_path / "var" / "token.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        run("cook")
