import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from stompede.auth import load_or_create_key
from stompede.errors import ConfigurationError


def test_it_is_made_once_for_its_owner_only(tmp_path):
    data_dir = tmp_path / "new" / "var"
    key = load_or_create_key(data_dir)
    path = data_dir / "token.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert len(key) == 64
    assert load_or_create_key(data_dir) == key == path.read_bytes().strip()
    assert [left.name for left in data_dir.iterdir()] == ["token.key"]


def test_two_keys_differ(tmp_path):
    assert load_or_create_key(tmp_path / "a") != load_or_create_key(tmp_path / "b")


def test_of_many_at_once_all_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: load_or_create_key(tmp_path / "var"), range(64)))) == 1
    assert [left.name for left in (tmp_path / "var").iterdir()] == ["token.key"]


def test_of_two_processes_at_once_both_get_the_same_key(tmp_path):
    code = (
        "import sys; from pathlib import Path; from stompede.auth.key_file import load_or_create_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(load_or_create_key(Path(sys.argv[1])).decode())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    first, second = (process.communicate(timeout=30)[0] for process in started)
    assert first == second
    assert len(first.strip()) == 64


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_key_that_others_may_read_is_refused_with_the_way_out(tmp_path, mode):
    load_or_create_key(tmp_path)
    path = tmp_path / "token.key"
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"run: chmod 600 {path}"):
        load_or_create_key(tmp_path)
    path.chmod(0o400)
    assert load_or_create_key(tmp_path)


def test_a_file_without_a_key_is_refused_and_never_overwritten(tmp_path):
    path = tmp_path / "token.key"
    path.write_bytes(b"short\n")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="remove it"):
        load_or_create_key(tmp_path)
    assert path.read_bytes() == b"short\n"


def test_a_pipe_or_a_directory_in_its_place_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "token.key", 0o600)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        load_or_create_key(tmp_path)
    (tmp_path / "other" / "token.key").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"token\.key"):
        load_or_create_key(tmp_path / "other")


def test_a_directory_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"STOMPEDE_DATA_DIR .* STOMPEDE_JWT_SECRET"):
        load_or_create_key(tmp_path / "file" / "var")
