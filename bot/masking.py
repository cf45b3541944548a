"""The last look for secrets before a text leaves for a forge.

Change sets are masked where they are made. What was missed there would be public here, so values
are looked at once more, by where they stand and by what they look like.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping
from typing import Any

from bot.placeholders import SECRET, UNKNOWN
from bot.secret_forms import BREAKS, CODED, FORMS, HINT, NAMED, SECRET_KEY, named

# Resources whose payload is secret whatever it looks like: of Kubernetes, and entries in Vault.
_SECRET_KINDS = frozenset({"Secret", "SecretPatch", "SecretList", "SecretV2"})
_PAYLOAD = frozenset({"data", "stringData", "items", "dataJson", "dataJsonWo"})
# `skipChildToken: "false"` is none, whatever it is called.
_SWITCHES = frozenset({"", "true", "false"})
# kubectl keeps the whole object there, payload included.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def masked(text: str) -> str:
    """The text with every key, token and password in it replaced by `[secret]`."""
    return _looked_at(text)


# The same labels, names and images stand in every object of a change set.
@functools.lru_cache(maxsize=1 << 14)
def _looked_at(text: str) -> str:
    return _masked(text) if HINT.search(text) or named(text) else text


def _masked(text: str, depth: int = 3) -> str:
    for form in FORMS:
        text = form.sub(SECRET, text)
    if named(text):
        for form in NAMED:
            text = form.sub(lambda found: f"{found[1]}{SECRET}", text)
    if depth:
        # The data of a Secret within a manifest is coded twice, and may be once more by hand.
        text = CODED.sub(lambda found: _coded(found[0], depth), text)
    return text


def _coded(word: str, depth: int) -> str:
    bare = BREAKS.sub("", word).rstrip("=").translate(str.maketrans("-_", "+/"))
    # Other characters may stand before it or after it without a gap.
    return SECRET if any(_hides(bare[start:], depth) for start in range(4)) else word


def _hides(bare: str, depth: int) -> bool:
    try:
        inner = base64.b64decode(bare[: len(bare) - len(bare) % 4]).decode("latin-1")
    except (binascii.Error, ValueError):
        return False
    return bool(HINT.search(inner) or named(inner)) and _masked(inner, depth - 1) != inner


def masked_value(kind: str, path: tuple[str, ...], value: Any) -> Any:
    """A value of an object's property, masked by where it stands and by what it looks like.

    kind: `Secret` and its like hide their payload; path: the keys that lead to the value.
    """
    if value is None or (isinstance(value, str) and value in (SECRET, UNKNOWN)):
        return value
    if kind in _SECRET_KINDS and ((path[:1] and path[0] in _PAYLOAD) or _LAST_APPLIED in path):
        return dict.fromkeys(value, SECRET) if isinstance(value, Mapping) else SECRET
    if isinstance(value, str):  # first, because most values are
        named_so = path and names_a_secret(path[-1]) and value not in _SWITCHES
        return SECRET if named_so else masked(value)
    if isinstance(value, list | tuple):
        return [masked_value(kind, path, item) for item in value]
    if isinstance(value, Mapping):
        made = {k: masked_value(kind, (*path, str(k)), item) for k, item in value.items()}
        # An environment variable, or whatever else is a name with a value.
        if names_a_secret(value.get("name")) and isinstance(value.get("value"), str):
            made["value"] = SECRET
        return made
    return value


def names_a_secret(name: Any) -> bool:
    """Whether what is called so is secret, whatever it holds: `DB_PASSWORD`, `api-key`."""
    return isinstance(name, str) and _is_secret_key(name)


@functools.lru_cache(maxsize=1 << 12)
def _is_secret_key(name: str) -> bool:
    return bool(SECRET_KEY.match(name))
