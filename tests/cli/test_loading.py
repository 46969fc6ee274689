"""module:app, and what is said when it is not one."""

import sys

import pytest

from stompede import Stompede
from stompede.cli._loading import load_application
from stompede.errors import ConfigurationError

CHAT = "from stompede import Stompede\napp = Stompede()\n"


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    """Modules in the working directory, forgotten after the test."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def refusal(name: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_application(name)
    return str(refused.value)


def test_an_application_in_the_working_directory_is_found(tmp_path):
    (tmp_path / "chat_found.py").write_text(CHAT)
    assert isinstance(load_application("chat_found:app"), Stompede)


def test_an_application_may_stand_deeper(tmp_path):
    (tmp_path / "inner_pkg").mkdir()
    (tmp_path / "inner_pkg" / "__init__.py").touch()
    (tmp_path / "inner_pkg" / "web.py").write_text(CHAT + "class Holder:\n    held = app\n")
    assert isinstance(load_application("inner_pkg.web:Holder.held"), Stompede)


def test_a_module_that_is_not_there_names_the_one_that_was_meant(tmp_path):
    (tmp_path / "chat_room.py").write_text(CHAT)
    assert refusal("chat_rom:app") == "no module named chat_rom; did you mean chat_room:app?"


def test_a_module_that_is_not_there_says_where_it_was_looked_for(tmp_path):
    assert refusal("zzz:app") == (
        f"no module named zzz; the working directory is {tmp_path}, and it has no Python file"
    )


def test_an_attribute_that_is_not_there_names_the_one_that_was_meant(tmp_path):
    (tmp_path / "chat_attr.py").write_text(CHAT)
    assert refusal("chat_attr:ap") == "chat_attr has no ap; did you mean chat_attr:app?"


def test_a_file_and_a_bare_module_are_told_the_right_form(tmp_path):
    (tmp_path / "chat_bare.py").write_text(CHAT)
    assert refusal("chat_bare.py:app") == "'chat_bare.py:app' is a file; name the module: chat_bare:app"
    assert refusal("chat_bare") == "'chat_bare' names a module; add the application in it: chat_bare:app"
    assert refusal("chat_bare:") == (
        "'chat_bare:' names no application; write module:app, for example chat:app"
    )


def test_what_is_no_stompede_says_how_to_make_it_one(tmp_path):
    (tmp_path / "others.py").write_text(
        "from fastapi import FastAPI\nweb = FastAPI()\nnumber = 5\ndef make_app(): ...\n"
    )
    assert refusal("others:web") == (
        "others:web is a FastAPI, not a Stompede application; wrap it: app = Stompede(web)"
    )
    assert refusal("others:make_app").endswith("call it in the module, app = make_app(), and name app")
    assert refusal("others:number") == "others:number is a int, not a Stompede application"


def test_an_import_that_fails_inside_of_the_module_keeps_its_traceback(tmp_path):
    (tmp_path / "broken_inside.py").write_text("import a_module_that_nobody_has\n")
    with pytest.raises(ModuleNotFoundError, match="a_module_that_nobody_has"):
        load_application("broken_inside:app")
