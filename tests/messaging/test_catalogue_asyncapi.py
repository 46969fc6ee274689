"""The catalogue, validated by AsyncAPI's own parser: `npm ci` in tests/asyncapi makes it available."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from test_catalogue import sample_catalogue

from stompede.messaging.catalogue import Catalogue, server_entry

PROJECT = Path(__file__).parents[1] / "asyncapi"


def validate(document) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (PROJECT / "node_modules" / "@asyncapi" / "parser").is_dir():
        pytest.skip(f"AsyncAPI's parser is not installed; run npm ci in {PROJECT}")
    return subprocess.run(
        [node, "validate.mjs"],
        cwd=PROJECT,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_valid(document) -> None:
    outcome = validate(document)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    # Only that there is a newer version of the specification.
    assert [line for line in outcome.stdout.splitlines() if line.startswith(("error", "warning"))] == []


def test_the_official_parser_accepts_the_catalogue():
    assert_valid(sample_catalogue().document())


def test_the_official_parser_accepts_the_catalogue_of_an_empty_application():
    assert_valid(Catalogue(title="Empty", version="0").document())


def test_the_official_parser_accepts_where_to_connect():
    servers = {"ws-v1": server_entry("127.0.0.1:8080", "/ws/v1", secure=False)}
    assert_valid(Catalogue(title="Empty", version="0").document(servers))


def test_the_official_parser_would_have_seen_a_mistake():
    document = sample_catalogue().document()
    document["operations"]["say"]["action"] = "shout"
    assert validate(document).returncode == 1
