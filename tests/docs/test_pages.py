"""The pages: no code that no test runs, nothing from elsewhere, and every public name in the reference."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stompede.messaging.problem import ERROR_CODES
from stompede.server.session.disconnects import Disconnects
from stompede.server.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_python_in_a_page_comes_from_an_example_that_a_test_runs(page):
    tested = (ROOT / "tests" / "docs" / "test_examples.py").read_text("utf-8")
    for code in FENCE.findall(page.read_text("utf-8")):
        (name,) = re.fullmatch(r'--8<-- "([a-z_]+)\.py(?::[a-z]+)?"\n', code).groups()
        assert (DOCS / "examples" / f"{name}.py").exists()
        assert f'example("{name}")' in tested or f"{name}.py" in tested


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_application_in_the_readme_is_the_tested_one(name):
    (code,) = FENCE.findall((ROOT / name).read_text("utf-8"))
    assert code == (DOCS / "examples" / "chat.py").read_text("utf-8")
    assert len(code.splitlines()) <= 25


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_file_that_a_page_of_the_repository_links_to_is_there(name):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text("utf-8"))
    files = [link.partition("#")[0] for link in links if "://" not in link]
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize(
    "module",
    [
        "stompede",
        "stompede.bus",
        "stompede.client",
        "stompede.presence",
        "stompede.registry",
        "stompede.testing",
        "stompede.testing.contracts",
    ],
)
def test_the_reference_has_every_public_name(module):
    listed = set(re.findall(r"^::: (stompede\S*)$", (DOCS / "reference.md").read_text("utf-8"), re.MULTILINE))
    front = {"connect"} if module == "stompede.client" else set()
    public = {f"{module}.{name}" for name in set(importlib.import_module(module).__all__) - front}
    assert public <= listed
    assert {name for name in listed if name.rpartition(".")[0] == module} <= public


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"].values()
    wanted = [
        *project["project"]["dependencies"],
        *(one for group in groups for one in group if isinstance(one, str)),
    ]
    page = (DOCS / "design" / "dependencies.md").read_text("utf-8")
    missing = [name for one in wanted if f"`{(name := re.split('[<>=]', one)[0])}`" not in page]
    assert missing == []


class Loaded(HTMLParser):
    """What a browser would fetch to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in {"script", "img", "iframe", "source", "video"}:
            self.urls.append(given.get("src") or "")
        if tag == "link" and given.get("rel") in {"stylesheet", "preconnect", "icon", "preload"}:
            self.urls.append(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    if shutil.which("mkdocs", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("mkdocs is not installed: scripts/venv dev")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_the_site_builds_strictly_and_fetches_nothing_from_elsewhere(site):
    fetched = {}
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text("utf-8"))
        fetched[page.name] = [url for url in loaded.urls if re.match(r"(https?:)?//", url)]
    assert fetched
    assert not any(fetched.values()), fetched
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?https?:", sheet.read_text("utf-8")), sheet


def test_tables_of_the_site_are_made_from_the_code(site):
    def text(path: str) -> str:
        return re.sub(r"<[^>]+>", "", (site / path / "index.html").read_text("utf-8"))

    assert all(f"STOMPEDE_{name.upper()}" in text("settings") for name in Settings.model_fields)
    assert "STOMPEDE_LOCATION_EXPIRE_S" in text("settings")
    assert all(code in text("programming/errors") for code in ERROR_CODES)
    assert all(row.reason in text("stomp") for row in Disconnects)
    assert "stompede_messages_delivered_total" in text("operations")
    assert all(
        f"stompede {command}" in text("command-line")
        for command in ("serve", "simulate riders", "token", "sessions list")
    )
    assert "disconnecting" in text("stomp")
    assert "<!-- made:" not in "".join(page.read_text("utf-8") for page in site.rglob("*.html"))
