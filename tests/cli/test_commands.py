"""The commands as their users call them."""

import json

CHAT = """
from msgspec import Struct
from stompede import Stompede

class Say(Struct):
    text: str

app = Stompede(title="Chat")

@app.message("/rooms/{room}/say", publish="/topic/rooms/{room}")
async def say(room: str, body: Say) -> Say:
    "Says something."
    return body
"""


def test_help_names_the_commands(run_stompede):
    ran = run_stompede("--help")
    assert ran.returncode == 0
    for command in ("serve", "demo", "simulate", "bench", "token", "catalogue", "settings", "sessions"):
        assert command in ran.stdout


def test_the_version_is_that_of_the_package(run_stompede):
    from importlib.metadata import version

    assert run_stompede("--version").stdout == f"stompede {version('stompede')}\n"


def test_a_mistake_is_one_sentence_and_exit_code_2(run_stompede):
    ran = run_stompede("settings", "--set", "max_sesions=3")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "stompede: --set: max_sesions is no setting; did you mean max_sessions?\n"


def test_settings_shows_values_and_where_they_come_from(run_stompede):
    ran = run_stompede("settings", "--json", "--set", "max_sessions=7", STOMPEDE_LOG_LEVEL="error")
    rows = {row["name"]: row for row in json.loads(ran.stdout)}
    assert (rows["max_sessions"]["value"], rows["max_sessions"]["source"]) == ("7", "--set max_sessions")
    assert (rows["log_level"]["value"], rows["log_level"]["source"]) == ("error", "STOMPEDE_LOG_LEVEL")
    assert rows["port"]["source"] == "default"
    assert "max_sessions" in run_stompede("settings").stdout


def test_settings_never_shows_a_secret(run_stompede):
    secret = "0123456789-0123456789-0123456789-0123456789"
    for arguments in (["settings"], ["settings", "--json"]):
        shown = run_stompede(*arguments, STOMPEDE_JWT_SECRET=secret).stdout
        assert secret not in shown
        assert "(hidden)" in shown


def test_catalogue_prints_the_document_without_running_the_application(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    document = json.loads(run_stompede("catalogue", "chat:app").stdout)
    assert document["asyncapi"].startswith("3.")
    assert document["info"]["title"] == "Chat"
    assert {channel["address"] for channel in document["channels"].values()} >= {
        "/app/rooms/{room}/say",
        "/topic/rooms/{room}",
    }


def test_catalogue_prints_a_table_to_read(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    table = run_stompede("catalogue", "chat:app", "--format", "md").stdout
    assert "| `/app/rooms/{room}/say` | SEND | `Say` |" in table
    assert "| `/topic/rooms/{room}` | SUBSCRIBE | `Say` |" in table


def test_the_table_says_where_answers_come(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT.replace(', publish="/topic/rooms/{room}"', ""))
    table = run_stompede("catalogue", "chat:app", "--format", "md").stdout
    assert "| `/app/rooms/{room}/say` | SEND | `Say` |" in table
    assert "| `/session/queue/replies` | SUBSCRIBE | " in table


def test_a_mistake_in_a_handler_is_told_with_its_place(run_stompede, tmp_path):
    (tmp_path / "chat.py").write_text(CHAT.replace("/topic/rooms/{room}", "/topic/rooms/{rooom}"))
    ran = run_stompede("serve", "chat:app", "--port", "0")
    assert ran.returncode == 2
    assert ran.stderr.startswith("stompede: handler say() at chat.py:11: ")
    assert "{rooom}" in ran.stderr
    assert "did you mean {room}?" in ran.stderr


def test_token_prints_a_token_that_the_node_of_this_directory_accepts(run_stompede):
    assert run_stompede("token", "cook").stdout.count(".") == 2
