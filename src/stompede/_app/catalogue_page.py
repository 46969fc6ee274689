"""The catalogue of destinations as a page for people. No script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .25rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
section { border-top: 1px solid var(--line); padding-bottom: .5rem; } p { margin: .25rem 0 .5rem; }
.tag { border: 1px solid var(--line); border-radius: 1rem; font-size: .75rem;
  margin-left: .5rem; padding: .05rem .5rem; }
pre { background: color-mix(in srgb, currentColor 6%, transparent); border-radius: .4rem;
  overflow-x: auto; padding: .6rem .8rem; }
summary { cursor: pointer; }
"""


def catalogue_page(document: Mapping[str, Any]) -> str:
    """Renders an AsyncAPI 3 document."""
    info = document["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])}: destinations</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        "<p>Every destination and its messages. For programs: <a href=/asyncapi.json>asyncapi.json</a>.</p>",
    ]
    for server in document.get("servers", {}).values():
        url = f"{server['protocol']}://{server['host']}{server['pathname']}"
        parts.append(f"<p>Connect to <code>{escape(url)}</code></p>")
    uses: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for operation in document.get("operations", {}).values():
        channel = operation["channel"]["$ref"].rpartition("/")[2]
        verb = "SEND to it" if operation["action"] == "receive" else "SUBSCRIBE to it"
        uses.setdefault(_unescape(channel), []).append((verb, operation))
    for name, channel in document.get("channels", {}).items():
        parts.append(_channel(name, channel, uses.get(name, []), document))
    return "\n".join(parts)


def _channel(
    name: str,
    channel: Mapping[str, Any],
    uses: list[tuple[str, Mapping[str, Any]]],
    document: Mapping[str, Any],
) -> str:
    tags = "".join(
        f"<span class=tag>{escape(verb)}</span>" for verb in dict.fromkeys(verb for verb, _ in uses)
    )
    parts = [f"<section><h2><code>{escape(channel.get('address') or name)}</code>{tags}</h2>"]
    texts = (
        channel.get("description"),
        *(text for _, use in uses for text in (use.get("summary"), use.get("description"))),
    )
    parts += [f"<p>{escape(text)}</p>" for text in dict.fromkeys(filter(None, texts))]
    for message in channel.get("messages", {}).values():
        resolved = _resolve(message, document)
        title = resolved.get("title") or resolved.get("name") or "message"
        payload = json.dumps(_resolve(resolved.get("payload", {}), document), indent=2, ensure_ascii=False)
        parts.append(f"<details><summary>{escape(title)}</summary><pre>{escape(payload)}</pre></details>")
    parts.append("</section>")
    return "".join(parts)


def _unescape(pointer: str) -> str:
    return pointer.replace("~1", "/").replace("~0", "~")


def _resolve(value: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows a ``$ref`` within the document (RFC 6901), a bounded number of steps."""
    for _ in range(8):
        reference = value.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        target: Any = document
        for step in reference[2:].split("/"):
            target = target[_unescape(step)]
        value = target
    return value
