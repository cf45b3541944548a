"""The last look for secrets before a text leaves for a forge.

Change sets are masked where they are made. What was missed there would be public here, so values
are looked at once more, by where they stand and by what they look like.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Mapping
from typing import Any

from bot.mock_values import SECRET, UNKNOWN

# Resources whose payload is secret whatever it looks like: of Kubernetes, and entries in Vault.
_SECRET_KINDS = frozenset({"Secret", "SecretPatch", "SecretList", "SecretV2"})
_PAYLOAD = frozenset({"data", "stringData", "items", "dataJson", "dataJsonWo"})
# kubectl keeps the whole object there, payload included.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SECRET_KEY = re.compile(
    r"(?i)\A(?:pass(?:wd|word|phrase)|token|(?:client|app|shared)[_-]?secret|secret[_-]?id|"
    r"(?:api|access|private|secret|secret[_-]?access)[_-]?key)\Z"
)
_FORMS = (
    # The end may be missing, or the beginning, where somebody has cut the text.
    re.compile(
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\Z)",
        re.DOTALL,
    ),
    re.compile(r"\A.*-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----", re.DOTALL),
    # A key in DER as base64 without armour: EC, PKCS8 of EC, RSA and Ed25519.
    re.compile(
        r"\b(?:MHcCAQEEI|MIGkAgEBB|MIG[H2]AgEAMB[MA]GByqGSM49|MC4CAQAwBQYDK2V|"
        r"MII[BCEJ][A-Za-z0-9+/]{1,2}(?:IBA[AD]|gIBADAN))[A-Za-z0-9+/=\s]*"
    ),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
    re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{8,}|\bs\.[A-Za-z0-9]{24}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}"),
    re.compile(r"\bpul-[0-9a-f]{40}|\bxox[abeprs]-[\w-]{10,}|AGE-SECRET-KEY-1\w+"),
    re.compile(r"(?<=://)[^\s/@]*:[^\s/@]+(?=@)"),
    re.compile(r"(?<=earer |EARER )[\w+/=.~-]{20,}"),
    re.compile(r"(?<=asic |ASIC )[A-Za-z0-9+/=]{20,}"),
)
_HINT = re.compile(
    r"PRIVATE|[Bb](?:earer|asic)|B(?:EARER|ASIC)|://|eyJ|hv[sbr]\.|\bs\.|gh[pousr]_|github_pat_|"
    r"glpat-|pul-|xox|AGE-SECRET|[A-Za-z0-9+/_-]{40}"
)
_CODED = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")


def masked(text: str) -> str:
    """The text with every key, token and password in it replaced by `[secret]`."""
    return text if not _HINT.search(text) else _masked(text)


@functools.lru_cache(maxsize=4096)
def _masked(text: str, depth: int = 2) -> str:
    for form in _FORMS:
        text = form.sub(SECRET, text)
    if depth:
        # The data of a Secret within a manifest is coded twice.
        text = _CODED.sub(lambda found: _coded(found[0], depth), text)
    return text


def _coded(word: str, depth: int) -> str:
    bare = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    # Other characters may stand before it or after it without a gap.
    return SECRET if any(_hides(bare[start:], depth) for start in range(4)) else word


def _hides(bare: str, depth: int) -> bool:
    try:
        inner = base64.b64decode(bare[: len(bare) - len(bare) % 4]).decode("latin-1")
    except (binascii.Error, ValueError):
        return False
    return bool(_HINT.search(inner)) and _masked(inner, depth - 1) != inner


def masked_value(kind: str, path: tuple[str, ...], value: Any) -> Any:
    """A value of an object's property, masked by where it stands and by what it looks like.

    kind: `Secret` and its like hide their payload; path: the keys that lead to the value.
    """
    if value is None or (isinstance(value, str) and value in (SECRET, UNKNOWN)):
        return value
    if kind in _SECRET_KINDS and ((path[:1] and path[0] in _PAYLOAD) or _LAST_APPLIED in path):
        return dict.fromkeys(value, SECRET) if isinstance(value, Mapping) else SECRET
    if isinstance(value, Mapping):
        return {k: masked_value(kind, (*path, str(k)), item) for k, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked_value(kind, path, item) for item in value]
    if isinstance(value, str):
        return SECRET if path and _SECRET_KEY.match(path[-1]) else masked(value)
    return value
