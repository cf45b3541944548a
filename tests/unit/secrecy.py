"""Finds private keys and tokens by their content, in clear and as base64, however deep."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

# PEM of any kind of key; DER of EC, PKCS8 and RSA as base64 without its armour (a SEQUENCE that
# begins with the INTEGER 0 or 1), OpenSSH's own form; tokens of Vault
# (service, batch, recovery, and the form before 1.10) and JSON web tokens.
_FORMS = {
    "private key": re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|BEGIN OPENSSH PRIVATE"),
    "key without armour": re.compile(
        r"\b(?:M[A-H][AEIMQUYcgkosw048]CAQ[A-H]|MI[GH][A-Za-z0-9+/_-]AgE[AB]|"
        r"MII[A-Za-z0-9+/_-]{2}[AQgw]IBA[A-Z]|b3BlbnNzaC1rZXktdjE)"
    ),
    "Vault token": re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\bs\.[A-Za-z0-9]{24}\b"),
    "JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\."),
}
# As one word, and as the lines that tools make of it.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}(?:(?:\n|\\n)[A-Za-z0-9+/_-]+)*={0,2}")
_BREAK = re.compile(r"\n|\\n")


def secrets_in(value: Any) -> list[str]:
    """What is found, each as `<where>: <what>` without the secret itself."""
    return [f"{where}: {what}" for where, text in _texts(value, "") for what in found_in(text)]


@functools.lru_cache(maxsize=100_000)
def found_in(text: str) -> tuple[str, ...]:
    """What a text holds; most texts of a program are those of the program before."""
    return tuple(
        what for form in _readings(text) for what, pattern in _FORMS.items() if pattern.search(form)
    )


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{where} (key)", str(key)
            yield from _texts(item, f"{where}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}[{index}]")


def _readings(text: str, depth: int = 2) -> Iterator[str]:
    """The text, and what its base64 parts hold; a Secret's data in a manifest is coded twice."""
    yield text
    for part in _BASE64.findall(text) if depth else ():
        bare = _BREAK.sub("", part).rstrip("=").translate(str.maketrans("-_", "+/"))
        try:
            decoded = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("latin-1")
        except (binascii.Error, ValueError):
            continue
        yield from _readings(decoded, depth - 1)
