"""Whether a text or a value holds a private key, in whatever form: decoded as deep as it goes.

Known by structure, not by entropy: PEM of every kind; PKCS#8, also encrypted, PKCS#1, SEC1, DSA and
PKCS#12 in DER; OpenSSH, JKS, JWK, PGP, PuTTY and age. In base64 of both alphabets, base32, hex,
JSON, percent signs, gzip and zlib, one within the other; in lines of a list; as bytes or numbers.
Needs nothing but Python: the policy pack's environment has no library for it.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

DEEPEST = 6
_MOST_BYTES = 4 << 20  # of what is unpacked
_SHORTEST = 39  # bytes of the shortest key in DER: SEC1 of 256 bits without its public half
# With the first line of its content: documentation that names the header is no key.
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----\s*+[A-Za-z0-9+/=:,\- ]{8}"
    r"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\s*+\S{8}"
    r"|PuTTY-User-Key-File-[0-9]+: |AGE-SECRET-KEY-1[0-9A-Z]{20}"
)
_JWK = re.compile(
    r"""["']?kty["']?\s*[:=]\s*["']?(?:(?P<oct>oct)|EC|RSA|OKP|AKP)\b""", re.IGNORECASE
)
_JWK_PART = r"""["']?\b(?:{})["']?\s*[:=]\s*["']?[A-Za-z0-9_-]{{16,}}"""
_PRIVATE = re.compile(_JWK_PART.format("d|priv"))
_SYMMETRIC = re.compile(_JWK_PART.format("k"))
_PRIVATE_PARTS = {"EC": ("d",), "RSA": ("d",), "OKP": ("d",), "AKP": ("priv",), "OCT": ("k",)}
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{48,}")
# A key in base64 begins so, wherever in a longer run: a sequence, and its length.
_DER64 = re.compile(r"(?=(M[A-P][A-Za-z0-9+/_-]{50}))")
_BASE32 = re.compile(r"[A-Z2-7]{63,}")
_HEX = re.compile(r"(?:(?:\\x|0x)?[0-9A-Fa-f]{2}[\s,:]{0,2}){39,}")
_NUMBERS = re.compile(r"(?:[0-9]{1,3}[\s,;]{1,2}){38,}[0-9]{1,3}")
# A line of nothing but base64, quoted or not, as a block scalar or a list has it.
_LINE = re.compile(r"[\s>|,\"'\\-]*+([A-Za-z0-9+/_=-]++)[\s,\"'\\]*+")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/_-]+")
_MAGIC = (b"openssh-key-v1\0", b"\xfe\xed\xfe\xed\0\0\0", b"\xce\xce\xce\xce\0\0\0")
_PKCS5, _PKCS12, _PKCS7 = (bytes.fromhex(f"2a864886f70d01{part}") for part in ("05", "0c", "07"))
_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30


def keys_in(found: Any, path: str = "") -> Iterator[str]:
    """Paths of the values that hold a private key, each once."""
    if isinstance(found, str | bytes):
        if in_text(found) if isinstance(found, str) else in_bytes(found):
            yield path
    elif isinstance(found, Mapping):
        if _jwk(found):
            yield path
            return
        below = [p for k, each in found.items() for p in keys_in(each, f"{path}.{k}".lstrip("."))]
        yield from below or _joined(list(found.values()), path)
        yield from (path for key in found if isinstance(key, str) and in_text(key))
    elif isinstance(found, Sequence):
        below = [p for n, each in enumerate(found) for p in keys_in(each, f"{path}[{n}]")]
        yield from below or _joined(found, path)


def _joined(parts: Sequence[Any], path: str) -> Iterator[str]:
    """The path of a list whose parts are lines of a key, or its bytes."""
    numbers = [each for each in parts if isinstance(each, int | float)]
    if len(numbers) == len(parts) >= _SHORTEST and all(0 <= n <= 255 for n in numbers):
        if in_bytes(bytes(map(int, numbers))):
            yield path
        return
    texts = [each for each in parts if isinstance(each, str)]
    if len(texts) > 1 and sum(map(len, texts)) >= _SHORTEST and in_text("\n".join(texts)):
        yield path


@functools.lru_cache(maxsize=1024)
def in_text(text: str, depth: int = 0) -> bool:
    """Whether a text holds a private key. depth: how often it has been decoded by now."""
    if len(text) < _SHORTEST:
        return False
    if _PEM.search(text) or _jwk_text(text):
        return True
    if depth >= DEEPEST:
        return False
    if any(in_bytes(each, depth + 1) for each in _decoded(text)):
        return True
    return any(in_text(each, depth + 1) for each in _unescaped(text))


def in_bytes(content: bytes, depth: int = 0) -> bool:
    """Whether bytes are a private key, or the text of one, packed or not."""
    if any(magic in content for magic in _MAGIC) or _der(content):
        return True
    if depth >= DEEPEST:
        return False
    if content[:2] == b"\x1f\x8b" or content[:1] == b"x":
        unpacked = _unpacked(content)
        if unpacked and in_bytes(unpacked, depth + 1):
            return True
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return in_text(content.decode("utf-16", "replace"), depth)
    # A certificate, which is binary, is not looked into as text.
    text = content.decode("utf-8", "replace")
    printable = len(text) - text.count("\ufffd")
    return printable > 0.9 * len(text) and in_text(text, depth)


def _decoded(text: str) -> Iterator[bytes]:
    """What a text stands for in base64, base32, hex or numbers, in whole or in part."""
    whole = _NO_BASE64.sub("", text) if _dense(text) else ""
    for run in {*_BASE64.findall(text), *_wrapped(text), whole}:
        if len(run) < 48:
            continue
        yield _base64(run)
        for found in _DER64.finditer(run):
            head = _base64(found[1])
            if _length(head, 0) and _plausible(head):
                yield _base64(run[found.start() :])
    for run in _BASE32.findall(text):
        with_padding = run[: len(run) - len(run) % 8]
        yield base64.b32decode(with_padding)
    for run in _HEX.findall(text):
        yield bytes.fromhex(re.sub(r"\\x|0x|[\s,:]", "", run))
    for run in _NUMBERS.findall(text):
        numbers = [int(each) for each in re.findall(r"[0-9]+", run)]
        if max(numbers) <= 255:
            yield bytes(numbers)


def _wrapped(text: str) -> Iterator[str]:
    """What lines of base64 hold together, one after the other."""
    held: list[str] = []
    for line in [*text.split("\n"), ""]:
        if found := _LINE.fullmatch(line):
            held.append(found[1].rstrip("="))
        elif len(held) > 1:
            yield "".join(held)
            held = []
        else:
            held = []


def _dense(text: str) -> bool:
    """True where nearly all of a text is base64, whatever stands between its parts."""
    return len(text) < 65536 and len(_NO_BASE64.findall(text)) * 4 <= len(text)


def _base64(run: str) -> bytes:
    plain = run.replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _unescaped(text: str) -> Iterator[str]:
    """The text without escapes of JSON, of addresses, or as the JSON that it is."""
    if "\\" in text:
        plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        plain = re.sub(r"(?<!\\)\\+[rnt]", "\n", plain).replace("\\", "")
        if plain != text:
            yield plain
    if "%" in text and (plain := unquote(text)) != text:
        yield plain
    if text.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return
        yield from _lines_of(found)


def _lines_of(found: Any) -> Iterator[str]:
    """The texts of a list or a mapping, line by line, and each of those below it."""
    parts = list(found.values()) if isinstance(found, dict) else found
    if isinstance(parts, list):
        yield "\n".join(each for each in parts if isinstance(each, str))
        if parts and all(isinstance(each, int) for each in parts):
            yield " ".join(map(str, parts))
        for each in parts:
            yield from _lines_of(each)


def _unpacked(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, _MOST_BYTES)
    except zlib.error:
        return b""


def _jwk(found: Mapping[Any, Any]) -> bool:
    """A JSON Web Key with its private half: https://www.rfc-editor.org/rfc/rfc7518#section-6"""
    parts = _PRIVATE_PARTS.get(str(found.get("kty")).upper(), ())
    return any(found.get(part) for part in parts)


def _jwk_text(text: str) -> bool:
    kind = _JWK.search(text) if "kty" in text else None
    return bool(kind and (_SYMMETRIC if kind["oct"] else _PRIVATE).search(text))


def _der(content: bytes) -> bool:
    """Whether DER is a private key, alone or behind other values such as its certificate."""
    position = 0
    while position < len(content) and content[position] == _SEQUENCE:
        span = _length(content, position)
        if span is None or span[1] > len(content):
            # Cut short at its end it is still a key.
            return (
                span is not None
                and len(content) - position >= _SHORTEST
                and _plausible(content[position:])
            )
        if _plausible(content[position : span[1]]):
            return True
        position = span[1]
    return False


def _length(content: bytes, position: int) -> tuple[int, int] | None:
    """Where the content of a value begins and ends; None where there is no such value."""
    if position + 2 > len(content):
        return None
    first = content[position + 1]
    begin, size = position + 2, first
    if first >= 0x80:
        count = first & 0x7F
        if not 1 <= count <= 3 or begin + count > len(content):
            return None
        size = int.from_bytes(content[begin : begin + count], "big")
        begin += count
    return begin, begin + size


def _plausible(content: bytes) -> bool:
    """Whether a sequence begins as a private key does; as far as its bytes go."""
    outer = _length(content, 0)
    if not content or content[0] != _SEQUENCE or outer is None or outer[1] < _SHORTEST:
        return False
    tags = list(_values(content, outer[0], 3))
    kinds = [tag for tag, _ in tags]
    first = tags[0][1] if tags else b""
    if kinds[:1] == [_INTEGER] and len(first) == 1 and len(kinds) > 1:
        number, second = first[0], tags[1][1]
        if kinds[1] == _SEQUENCE:
            # PKCS#8 has an algorithm and the key in octets; PKCS#12 a content of PKCS#7.
            if number == 3:
                return second[:1] == b"\x06" and _PKCS7 in second[:16]
            return number in (0, 1) and second[:1] == b"\x06" and kinds[2:3] in ([], [_OCTETS])
        if kinds[1] == _OCTETS:  # SEC1
            return number == 1 and len(second) >= 14 and kinds[2:3] in ([], [0xA0], [0xA1])
        if kinds[1] == _INTEGER:  # PKCS#1 and DSA: three large numbers one after the other
            return number in (0, 1) and len(second) >= 32 and kinds[2:3] in ([], [_INTEGER])
    # Encrypted PKCS#8: how it is encrypted, and octets.
    return (
        kinds[:1] == [_SEQUENCE]
        and first[:1] == b"\x06"
        and (first[2:10] in (_PKCS5, _PKCS12))
        and kinds[1:2] in ([], [_OCTETS])
    )


def _values(content: bytes, position: int, most: int) -> Iterator[tuple[int, bytes]]:
    for _ in range(most):
        span = _length(content, position)
        if span is None:
            return
        yield content[position], content[span[0] : span[1]]
        position = span[1]
