"""Words that are secret because they look like chance: the net below all other patterns.

A word is compared with how words are made, by its pairs of letters: two thirds of the pairs of any
name are among the commonest, and a third of those of a random one.
"""

from __future__ import annotations

import base64
import binascii
import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator

from schema.secret_forms import BREAK, Span

# The pairs that make nine tenths of the words of this project and of the CRDs it works with.
_COMMON = {
    row[0]: frozenset(row[1:])
    for row in (
        *("aabcdgilmnprstuy", "baelou", "cacehiklortuy", "daeiorsu", "eacdefglmnpqrstvwxy"),
        *("faefio", "gaeirs", "haeiot", "iacdefglmnoprstv", "je", "kes", "ladeilostuy", "maeiop"),
        *("nacdefgiknost", "obcdklmnoprstuvw", "paeiloprstu", "qu", "racdegikmnorstuvy"),
        *("sacehiopstu", "tacehiloprstuy", "ubelmnprst", "vaei", "waeo", "xpt", "yp"),
    )
}
_WORDLIKE = 0.56
_UNREADABLE = bytes(c for c in range(256) if not (32 <= c < 127 or c in (9, 10, 13)))
_LEAST_BITS = 2.8  # a random word of 16 characters has 3.5
ANYWHERE, NEAR = 32, 16
_WORD = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{20,}")
_PART = re.compile(r"[A-Za-z0-9]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_HEX = re.compile(r"(?=[a-f]*\d|[A-F]*\d)(?:[0-9a-f]{6,}|[0-9A-F]{6,})")
# The ends of the names of pods and ReplicaSets: no vowels, and nothing that reads like one.
_POD = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{5,10}")
# Several lines of base64, however short; tools break them at 64 or 76.
_MARGIN = r"(?:[ \t|>#*+\"',-]|\\+[\"])"
_LETTER = r"[A-Za-z0-9+/_-]"
_NEXT = rf"={{0,2}}+{_MARGIN}{{0,6}}+{BREAK}{{1,9}}{_MARGIN}{{0,12}}"
LINES = re.compile(
    rf"(?<!{_LETTER}){_LETTER}{{8,}}+(?:{_NEXT}{_LETTER}{{8,}}+(?![.:]))+"
    rf"(?:{_NEXT}{_LETTER}{{1,80}}+(?![.:]))?={{0,2}}"
)
_JOINTS = re.compile(r"\\+[nrt\"]|[^A-Za-z0-9+/_=-]+|(?<=\s)-+(?=\s)")
# Of an object of Kubernetes: base64 has capitals within so many characters.
_NAME = re.compile(r"(?=.{12})[a-z0-9]+(?:-[a-z0-9]+)+")
# How far a key that tells reaches, on its line.
_HINT = re.compile(
    r"(?i)pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|private|signing)[_ .-]?key|"
    r"credential|"
    r"\bauth|bearer|cookie|webhook|\bdsn\b|\bpat\b"
)
_REACH = 48
_NO_HINT = re.compile(
    r"(?i)digest|sha-?\d|hash|checksum|fingerprint|commit|serial|\buid|\bid\b|_id\b|accessor"
)


def found(text: str, masks: Callable[[str], bool]) -> Iterator[Span]:
    """Words of the text that look like chance, or hold a secret in base64.

    masks: whether a text holds a secret, for what is coded in a word.
    """
    public = []
    for match in LINES.finditer(text) if "\n" in text or "\\n" in text or "\\r" in text else ():
        if any(_NAME.fullmatch(part) for part in _JOINTS.split(match[0])):
            continue  # the end of a row, such as a fingerprint, and the name in the next one
        whole = _JOINTS.sub("", match[0])
        if is_public(whole):
            public.append(match.span())
        elif len(whole) >= ANYWHERE and (holds(whole, masks) or is_random(whole, ANYWHERE)):
            yield match.span()
    for match in _WORD.finditer(text):
        word = match[0]
        if any(start <= match.start() < end for start, end in public):
            continue
        if is_random(word, ANYWHERE) or (
            is_random(word, NEAR, hexadecimal=True) and _near(text, match.start(), word)
        ):
            if is_public(word):
                continue
            inner = _printable(word)
            if inner is None or masks(inner) or not _is_prose(inner):
                yield match.span()
        elif _may_be_coded(word) and holds(word, masks):
            yield match.span()


def _near(text: str, at: int, word: str) -> bool:
    """Whether a name that tells stands before it on its line; for hexadecimal directly so."""
    reach = _REACH if is_random(word, NEAR) else 12
    line = text[max(0, at - reach) : at].rpartition("\n")[2]
    hints = list(_HINT.finditer(line))
    return bool(hints) and not _NO_HINT.search(text[max(0, at - _REACH) : at].rpartition("\n")[2])


@functools.lru_cache(maxsize=1 << 13)
def is_random(word: str, least: int, *, hexadecimal: bool = False) -> bool:
    """Whether so many characters of a word are of no word, name, version or digest."""
    if len(word) < least:
        return False
    length = common = pairs = 0
    for part in _PART.findall(_UUID.sub("", word)):
        if part.isdigit() or (not hexadecimal and _HEX.fullmatch(part)):
            continue
        if _POD.fullmatch(part) and len(word) > 2 * len(part) and any(c.isdigit() for c in part):
            continue
        length += len(part)
        bare = part.lower()
        for one, two in itertools.pairwise(bare):
            if one.isdigit() and two.isdigit():
                continue
            pairs += 1
            common += two in _COMMON.get(one, ())
    return length >= least * 0.75 and common < _WORDLIKE * pairs and _entropy(word) > _LEAST_BITS


def _entropy(word: str) -> float:
    """Bits of a letter, as Shannon has it; a word that repeats itself has few."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def holds(word: str, masks: Callable[[str], bool]) -> bool:
    """Whether a word of base64 holds a secret; others may stand before it without a gap."""
    bare = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    for start in range(4):
        inner = _decoded(bare[start:])
        if inner is None:
            return False
        text = inner.decode("latin-1")
        readable = len(inner.translate(None, _UNREADABLE))
        if readable > 0.7 * len(inner) and masks(text):
            return True
    return False


def _may_be_coded(word: str) -> bool:
    return len(word) >= 24 and not is_public(word)


def _decoded(bare: str) -> bytes | None:
    try:
        return base64.b64decode(bare[: len(bare) - len(bare) % 4])
    except (binascii.Error, ValueError):
        return None


def _printable(word: str) -> str | None:
    inner = _decoded(word.rstrip("=").translate(str.maketrans("-_", "+/")))
    if not inner or len(inner.translate(None, _UNREADABLE)) < len(inner):
        return None
    return inner.decode("ascii")


def _is_prose(text: str) -> bool:
    """Whether what is coded is a text of several words, which was looked at by itself."""
    return any(c in text for c in " \n:{") or not is_random(text, 8)


# The beginnings of what is public in DER: a certificate, a request, a list, a public key.
_PUBLIC_BODY = (b"\xa0\x03\x02\x01", b"\x02", b"\x06\x07*\x86H\xce=\x02\x01", b"\x06\x03+e")
_RSA = b"\x06\x09*\x86H\x86\xf7\x0d\x01\x01"


@functools.lru_cache(maxsize=1 << 10)
def is_public(word: str) -> bool:
    """Whether base64 is a certificate or a public key, in PEM or in DER."""
    if word[:1] not in "LM":
        return False
    inner = _decoded(word.rstrip("=").translate(str.maketrans("-_", "+/")))
    if not inner:
        return False
    if inner[:11] == b"-----BEGIN ":
        return b"PRIVATE" not in inner and (b"CERTIFICATE" in inner or b"PUBLIC KEY" in inner)
    body = _body(_body(inner))
    return bool(body) and (body.startswith((*_PUBLIC_BODY, _RSA)))


def _body(der: bytes) -> bytes:
    """What is in a SEQUENCE."""
    if len(der) < 4 or der[0] != 0x30:
        return b""
    return der[2 + (der[1] & 0x7F if der[1] & 0x80 else 0) :]
