"""The key that a node makes for itself when none is configured."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from stompede.auth.keys import MIN_SECRET_BYTES
from stompede.errors import ConfigurationError

KEY_FILE_NAME: Final = "token.key"
_RANDOM_BYTES: Final = 48
_MAX_BYTES: Final = 4096
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def load_or_create_key(data_dir: Path) -> bytes:
    """The node's own secret for HS256, from ``token.key`` in its data directory, made at the first call.

    The file is one line of 64 characters from 48 random bytes, readable by its owner only. It appears as a
    whole or not at
    all: of two processes that start at once, both get the key of the one that was first. The same text given
    as the shared secret of another node makes both accept each other's tokens.

    Raises:
        ConfigurationError: the directory cannot be written, or the file can be read by others or holds no
            key; says what to do.
    """
    path = data_dir / KEY_FILE_NAME
    try:
        return _load(path)
    except (FileNotFoundError, NotADirectoryError):
        pass  # then it is made
    except OSError as error:
        raise ConfigurationError(f"key file {path} cannot be read: {error.strerror}") from error
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        return _load(path)
    except OSError as error:
        raise ConfigurationError(
            f"key file {path} cannot be made: {error.strerror}; "
            "set STOMPEDE_DATA_DIR to a directory that can be written, "
            "or give a secret of your own with STOMPEDE_JWT_SECRET"
        ) from error


def _load(path: Path) -> bytes:
    with open(path, "rb", opener=_open_no_wait) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"key file {path} is not a regular file")
        if status.st_mode & _OTHERS:
            raise ConfigurationError(
                f"key file {path} may be read by others (mode {stat.S_IMODE(status.st_mode):04o}); "
                f"run: chmod 600 {path}"
            )
        key = file.read(_MAX_BYTES).strip()
    if len(key) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"key file {path} holds no key of at least {MIN_SECRET_BYTES} bytes; "
            "remove it, and a new one is made"
        )
    return key


def _open_no_wait(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # a pipe in its place must not hang the start


def _create(path: Path) -> None:
    """Write the whole file beside its place, then link it there: `link` fails where another process was
    first.
    """
    beside = path.with_name(f".{KEY_FILE_NAME}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - from a descriptor
            file.write(secrets.token_urlsafe(_RANDOM_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
