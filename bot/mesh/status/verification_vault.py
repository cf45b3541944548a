"""Checks of custody: Vault keeps the root key to itself, and nothing else has a private key."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from bot.mesh.status.evidence import (
    EXPORT_KEYS,
    READ_KEY,
    READ_KV,
    SIGN_ELSEWHERE,
    SIGN_HERE,
    Evidence,
    Verification,
)
from stack.config import StackConfig

FORBIDDEN, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED = 403, 400, 404, 405
_MARK = b"PRIVATE KEY-----"


def verify(seen: Evidence, config: StackConfig) -> list[Verification]:
    """Every check of custody, for the stack that makes the anchor: others may not even try.

    Where the cluster holds the key too, Vault cannot keep it.
    """
    if config.trust.signer.custody == "cluster" or not config.owns_anchor:
        return [_files(seen)]
    key, export = seen.attempts.get(READ_KEY), seen.attempts.get(EXPORT_KEYS)
    found = [
        Verification(
            "Vault keeps the root key",
            "no private key in its answer",
            ", ".join(sorted(key.data)) if key and key.data else "no answer",
            bool(key and key.status == 200 and key.data and not _has_key(key.data.items())),
        ),
        Verification(
            "Vault exports no key",
            "refused",
            f"status {export.status}" if export else "not tried",
            bool(export and export.status in (FORBIDDEN, NOT_FOUND, NOT_ALLOWED, BAD_REQUEST)),
        ),
    ]
    found += [
        # Without a body Vault finds fault with the request, after it has let the token through.
        _policy(seen, SIGN_HERE, BAD_REQUEST, "let through"),
        _policy(seen, SIGN_ELSEWHERE, FORBIDDEN, "refused"),
        _policy(seen, READ_KV, FORBIDDEN, "refused"),
    ]
    return [*found, _files(seen)]


def _policy(seen: Evidence, what: str, status: int, expected: str) -> Verification:
    attempt = seen.attempts.get(what)
    shown = f"status {attempt.status}" if attempt else "not tried: no token could be made"
    return Verification(what, expected, shown, bool(attempt and attempt.status == status))


def _has_key(items: Iterable[tuple[str, object]]) -> bool:
    return any(("private_key" in key and key != "private_key_type" and value) or
               "PRIVATE KEY" in str(value) for key, value in items)  # fmt: skip


def _files(seen: Evidence) -> Verification:
    guilty = leaks(seen.files, seen.tokens)
    return Verification(
        "state files",
        "no private key, no token",
        ", ".join(guilty) if guilty else f"none in {len(seen.files)} files",
        bool(seen.files) and not guilty,
    )


def leaks(files: Mapping[str, bytes], tokens: Iterable[str]) -> list[str]:
    """What is found in which file: a private key, also in base64, or one of these tokens."""
    marks = [_MARK, *base64_forms(_MARK)]
    named = [("private key in {}", marks)]
    named.append(("token in {}", [token.encode() for token in tokens if token]))
    return [
        text.format(name)
        for name, content in files.items()
        for text, patterns in named
        if any(pattern in content for pattern in patterns)
    ]


def base64_forms(mark: bytes) -> list[bytes]:
    """How a text looks inside base64, for each of the three ways it can lie in groups of three."""
    forms = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + mark)
        # The first and last characters also depend on the neighbours.
        start, end = -(-offset * 8 // 6), (offset + len(mark)) * 8 // 6
        forms.append(encoded[start:end])
    return forms
