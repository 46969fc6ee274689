"""Lock files: what they pin comes from public places, and machines without uv get the same."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = {"pypi.org", "files.pythonhosted.org", "registry.npmjs.org"}
# What the texts of npm's lock files mention beside packages: where authors take donations.
NOT_PACKAGES = {"funding"}


def lock_files() -> list[Path]:
    found = [
        path
        for pattern in ("uv.lock", "requirements/*.txt", "**/package-lock.json", "**/.npmrc", "**/pip.conf")
        for path in ROOT.glob(pattern)
        if not {"node_modules", ".venv", ".uv"} & set(path.parts)
    ]
    assert {path.name for path in found} >= {"uv.lock", "run.txt", "dev.txt", "package-lock.json"}
    return found


@pytest.mark.parametrize("path", lock_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_file_names_no_package_host_but_public_ones(path):
    text = path.read_text("utf-8")
    if path.name == "package-lock.json":
        packages = json.loads(text)["packages"].values()
        text = json.dumps([{key: one[key] for key in one.keys() - NOT_PACKAGES} for one in packages])
    hosts = set(re.findall(r"(?:https?|git|ssh)(?:\+\w+)?://([^/\"' ]+)", text))
    assert hosts <= PUBLIC
    assert "--find-links" not in text
    assert "--index-url" not in text


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "fuzz.txt", "node.txt"])
def test_every_pinned_requirement_has_hashes(name):
    text = (ROOT / "requirements" / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert lines
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


def test_the_locks_follow_pyproject():
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed: pip install uv")
    ran = subprocess.run(["scripts/lock", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
