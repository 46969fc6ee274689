"""Why a certificate does not load, in a sentence that names the file; OpenSSL says "PEM lib"."""

from __future__ import annotations

import ssl
from pathlib import Path

from stompede.errors import ConfigurationError


def not_loaded(certfile: str, keyfile: str | None, error: Exception, key_option: str) -> ConfigurationError:
    """The error for a certificate that `ssl.SSLContext.load_cert_chain` refused.

    Args:
        certfile: PEM file with the certificate chain.
        keyfile: PEM file with the private key; ``None`` where ``certfile`` holds it.
        error: what was raised.
        key_option: how another key file is given.
    """
    key = "" if keyfile is None else f" with the key {keyfile}"
    return ConfigurationError(
        f"the certificate {certfile}{key} does not load: {_why(certfile, keyfile, error, key_option)}"
    )


def _why(certfile: str, keyfile: str | None, error: Exception, key_option: str) -> str:
    try:
        chain = Path(certfile).read_bytes()
        key = chain if keyfile is None else Path(keyfile).read_bytes()
    except OSError as unread:
        return f"{unread.filename}: {unread.strerror}"
    if b"-----BEGIN CERTIFICATE-----" not in chain:
        return f"{certfile} holds no certificate in PEM"
    if b"PRIVATE KEY-----" not in key:
        if keyfile is None:
            return f"it holds no private key; give the file that does with {key_option}"
        return f"{keyfile} holds no private key in PEM"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the private key is another certificate's"
    return str(error)
