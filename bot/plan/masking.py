"""Secrets out of a manifest, by where they stand; what they look like is for bot/masking.py."""

from __future__ import annotations

from typing import Any

from bot.placeholders import SECRET


def masked(content: Any) -> Any:
    """The object with the values of a Secret, and every private key, replaced by `[secret]`."""
    content = _without_keys(content)
    if content.get("kind") != "Secret":
        return content
    hidden = {
        part: dict.fromkeys(content[part], SECRET) if isinstance(content[part], dict) else SECRET
        for part in ("data", "stringData")
        if content.get(part)
    }
    return {**content, **hidden}


def _without_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_keys(item) for item in value]
    return SECRET if isinstance(value, str) and "PRIVATE KEY-----" in value else value
