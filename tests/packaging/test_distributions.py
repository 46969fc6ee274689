"""What is installed by others: a wheel and an sdist that carry the built page and serve it."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PAGE = "stompede/apps/console/static/index.html"
LICENSES = "stompede/apps/console/static/third-party-licenses.md"


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both distributions, built from this tree: (wheel, sdist)."""
    if not (ROOT / "src" / PAGE).exists():
        pytest.skip("the page is not built: make console")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_both_carry_the_page_the_city_and_the_type_marker(built):
    wheel, sdist = built
    needed = [PAGE, LICENSES, "stompede/py.typed", "stompede/apps/location/data/helsinki-roads.geojson.gz"]
    inside = zipfile.ZipFile(wheel).namelist()
    assert [name for name in needed if name not in inside] == []
    assert any(re.fullmatch(r"stompede/apps/console/static/assets/.*\.js", name) for name in inside)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert [name for name in needed if f"src/{name}" not in names] == []


def test_what_is_bundled_into_the_page_has_its_licence_in_the_wheel(built):
    wheel, _ = built
    text = zipfile.ZipFile(wheel).read(LICENSES).decode()
    bundled = json.loads((ROOT / "console" / "package.json").read_text("utf-8"))["dependencies"]
    assert [name for name, version in bundled.items() if f"## {name} - {version} (" not in text] == []
    assert "SmartBear" in text  # the notice that Swagger UI's licence wants beside it


def test_both_carry_nothing_that_is_not_the_packages(built):
    wheel, sdist = built
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {re.sub(r"-[\d.]+dist", "-dist", top) for top in tops} == {"stompede", "stompede-dist-info"}
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2].partition("/")[0] for name in archive.getnames()}
    assert names <= {
        "",
        "src",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    }


def test_the_wheel_serves_the_page_without_the_sources(built, serve_node, tmp_path):
    """Its dependencies are this environment's own: they are the same versions, and need no network."""
    wheel, _ = built
    place = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    where = [sys.executable, "-c", "import stompede; print(stompede.__file__)"]
    assert run(*where, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(place)}).startswith(str(place))
    node = serve_node("--demo", PYTHONPATH=str(place))
    with httpx.Client(base_url=node.url) as browser:
        for path in ("/", "/docs"):
            page = browser.get(path)
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/html")
            parts = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
            assert parts
            assert [part for part in parts if browser.get(part).status_code != 200] == []
    assert node.stop() == 0


@pytest.mark.proof
def test_the_wheel_installs_into_an_empty_environment(built, tmp_path):
    """With its dependencies from PyPI, as a user would."""
    wheel, _ = built
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    assert run(tmp_path / "venv" / "bin" / "stompede", "--version", cwd=tmp_path).startswith("stompede ")
    shown = run(python, "-m", "stompede", "catalogue", "--demo", "--format", "md", cwd=tmp_path)
    assert "/topic/rider/{riderId}" in shown
