"""What is secret in a text, in a JSON document and in an object, and how it is hidden.

Three looks, of which each one is enough: by what it looks like (schema/secret_forms.py and
secret_addresses.py), by the name beside it (secret_names.py, secret_places.py), and as the last
net by chance (secret_words.py).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from schema import secret_addresses, secret_forms, secret_places, secret_words
from schema.secret_forms import Span
from schema.secret_names import SECRET, is_secret, sureness

# Resources whose payload is secret whatever it looks like: of Kubernetes, and entries in Vault.
_SECRET_KINDS = frozenset({"Secret", "SecretPatch", "SecretList", "SecretV2"})
_PAYLOAD = frozenset({"data", "stringData", "items", "dataJson", "dataJsonWo"})
# kubectl keeps the whole object there, payload included.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REMEMBERED = 2000  # characters: the same names and values stand in every object of a plan
# Hashes of long texts that have nothing in them.
_CLEAN: set[int] = set()
_UNKNOWN = "[known after apply]"
_SHORTEST = 12  # characters of a secret that nothing stands beside
_BESIDE = re.compile(r"[:=|@>$ ]")


def masked(text: str) -> str:
    """The text with every key, token and password in it replaced by `[secret]`."""
    if len(text) <= _REMEMBERED:
        if len(text) < _SHORTEST and not _BESIDE.search(text):
            return text
        return _remembered(text)
    if hash(text) in _CLEAN:
        return text
    if "\n---\n" in text:
        # Manifests of several stacks and charts have CRDs of a megabyte in common.
        return "\n---\n".join(map(masked, text.split("\n---\n")))
    told = _masked(text)
    if told == text:
        _CLEAN.add(hash(text))
    return told


def looks_secret(text: str) -> bool:
    """Whether there is any key, token or password in the text."""
    return masked(text) != text


@functools.lru_cache(maxsize=1 << 14)
def _remembered(text: str) -> str:
    return _masked(text)


def _masked(text: str, depth: int = 3) -> str:
    spans = sorted(_spans(text, depth))
    if not spans:
        return text
    made, done = [], -1
    for start, end in spans:
        while text[end - 1] == "\\" and end > start:
            end -= 1  # of an escaped quote behind it
        if start > done:
            made += [text[max(done, 0) : start], SECRET]
        done = max(done, end)
    return "".join([*made, text[done:]])


def _spans(text: str, depth: int) -> Iterator[Span]:
    yield from secret_forms.found(text)
    yield from secret_addresses.found(text)
    yield from secret_places.found(text)
    if depth:
        words = secret_words.found(text, lambda inner: _masked(inner, depth - 1) != inner)
        if first := next(words, None):
            public = secret_forms.public(text)
            for span in (first, *words):
                if not any(start <= span[0] and span[1] <= end for start, end in public):
                    yield span


_KEY_BEGIN = re.compile(r"[^\n]{0,20}-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----\s*")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")
_LITERAL = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?', re.DOTALL)


def masked_json(text: str) -> str:
    """A JSON text with its strings masked, by what they are and by their key; it stays one."""
    key = name = ""
    within = False  # a key in armour whose lines are a list

    def look(match: re.Match[str]) -> str:
        nonlocal key, name, within
        value: str = json.loads(match[0].rstrip(": \t\r\n")) if "\\" in match[1] else match[1]
        if match[2]:
            key, told = value, masked(value)
        elif within or is_secret(name if key == "value" else key, value):
            told = SECRET
            within = within and not _KEY_END.search(value)
        else:
            # An environment variable, or whatever else is a name with a value.
            name = value if key == "name" else name
            told = masked(value)
            within = "PRIVATE KEY" in value and bool(_KEY_BEGIN.fullmatch(value))
        if told == value:
            return match[0]
        return f"{json.dumps(told, ensure_ascii=False)}{match[2] or ''}"

    return _LITERAL.sub(look, text)


def masked_document(text: str) -> str:
    """A text that leaves: JSON as such, anything else as text."""
    return masked_json(text) if is_json(text) else masked(text)


def is_json(text: str) -> bool:
    """Whether the text is one document of JSON, an object or a list."""
    if text[:1] not in "{[" or text.rstrip()[-1:] not in "}]":
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def names_a_secret(name: Any) -> bool:
    """Whether what is called so is secret, whatever it holds: `DB_PASSWORD`, `api-key`."""
    return isinstance(name, str) and sureness(name) > 1


def masked_value(kind: str, path: tuple[str, ...], value: Any) -> Any:
    """A value of an object's property, masked by where it stands and by what it looks like.

    kind: `Secret` and its like hide their payload; path: the keys that lead to the value.
    """
    if value is None or (isinstance(value, str) and value in (SECRET, _UNKNOWN)):
        return value
    if kind in _SECRET_KINDS and ((path[:1] and path[0] in _PAYLOAD) or _LAST_APPLIED in path):
        return dict.fromkeys(value, SECRET) if isinstance(value, Mapping) else SECRET
    if isinstance(value, str):  # first, because most values are
        return SECRET if path and is_secret(path[-1], value) else masked(value)
    if isinstance(value, list | tuple):
        if any(isinstance(item, str) and _KEY_BEGIN.fullmatch(item) for item in value):
            return [SECRET]  # a key, line by line
        return [masked_value(kind, path, item) for item in value]
    if isinstance(value, Mapping):
        made = {
            masked(str(k)): masked_value(kind, (*path, str(k)), item) for k, item in value.items()
        }
        # An environment variable, or whatever else is a name with a value.
        name, content = value.get("name"), value.get("value")
        if isinstance(name, str) and isinstance(content, str) and is_secret(name, content):
            made["value"] = SECRET
        return made
    return value


def masked_object(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of a resource of this kind, or a manifest, secrets masked."""
    return {
        masked(str(key)): masked_value(kind, (str(key),), item) for key, item in content.items()
    }


def without_payload(content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the values of a Secret, and every private key, replaced by `[secret]`.

    The rest is left, so that two plans can be compared; it is masked where it is shown.
    """
    found: dict[str, Any] = _without_keys(content)
    if found.get("kind") != "Secret":
        return found
    hidden = {
        part: dict.fromkeys(found[part], SECRET) if isinstance(found[part], dict) else SECRET
        for part in ("data", "stringData")
        if found.get(part)
    }
    return {**found, **hidden}


def _without_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_keys(item) for item in value]
    return SECRET if isinstance(value, str) and "PRIVATE KEY-----" in value else value
