"""Tables of the documentation and of the commands, made from the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from stompede.cli._values import fields
from stompede.server.misfits import is_secret, variable


class SettingRow(msgspec.Struct, frozen=True):
    """One line of the table of settings.

    Attributes:
        name: dotted name, as in the file and in ``--set``.
        variable: name in the environment.
        default: as it would be written.
        description: what it means, its unit, and why.
        secret: whether its value is never shown.
    """

    name: str
    variable: str
    default: str
    description: str
    secret: bool


def setting_rows() -> list[SettingRow]:
    """All settings, in the order of their classes."""
    rows = []
    for name, (model, field) in fields().items():
        info = model.model_fields[field]
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        default = str(extra["shown_default"]) if "shown_default" in extra else value_text(info.default)
        rows.append(SettingRow(name, variable(name), default, info.description or "", is_secret(info)))
    return rows


def value_text(value: Any) -> str:
    """A value as a person would write it in the environment; nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings_markdown() -> str:
    """The table of all settings."""
    rows = (
        (f"`{row.name}`<br>`{row.variable}`", f"`{row.default}`" if row.default else "", row.description)
        for row in setting_rows()
    )
    return table(("Name and variable", "Default", "Meaning"), rows)


def catalogue_markdown(document: Mapping[str, Any]) -> str:
    """The destinations of an AsyncAPI 3 document as a table: what a client may do there."""
    uses: dict[str, list[str]] = {}
    for operation in document.get("operations", {}).values():
        verb = "SEND" if operation["action"] == "receive" else "SUBSCRIBE"
        uses.setdefault(_channel_key(operation), []).append(verb)
        if "reply" in operation:
            uses.setdefault(_channel_key(operation["reply"]), []).append("SUBSCRIBE")
    rows = []
    for key, channel in document.get("channels", {}).items():
        messages = [_message_name(message, document) for message in channel.get("messages", {}).values()]
        verbs = dict.fromkeys(uses.get(key, ()))
        carries = ", ".join(f"`{name}`" for name in dict.fromkeys(messages))
        rows.append(
            (f"`{channel.get('address', key)}`", ", ".join(verbs), carries, channel.get("description", ""))
        )
    return table(("Destination", "A client may", "Messages", ""), rows)


def _channel_key(operation: Mapping[str, Any]) -> str:
    key: str = operation["channel"]["$ref"].rpartition("/")[2]
    return key.replace("~1", "/").replace("~0", "~")


def _message_name(message: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    reference = message.get("$ref", "")
    key = reference.rpartition("/")[2]
    if reference.startswith("#/components/messages/"):
        message = document["components"]["messages"][key]
    return str(message.get("name") or key)
