"""Documents spoilt at random, and always in the same way for the same seed.

Half of the mutations are of the document's structure (another value, a key misspelt, gone, moved),
the other half of its bytes.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]

# What a text may hold that its reader has not thought of.
TEXTS = (
    "", " ", "x", "0", "-1", "true", "null", "~", ".", "..", "../../x", "/", "/dev/zero", "a\nb",
    "\x1b[2J\x1b]8;;x\x07", "\u202ea\u2069", "\u200b", "a\0b", "\ud800", "`" * 120, "@here",
    "![](//x)", "<img src=x>", "::error::x", "##[error]x", "%s{0}{{ x }}$(x)", "[secret]",
    "10.0.0.1/8", "::1/128", "999.1.1.1/8", "1" * 400, "é" * 300, "https://[", "https://a:b@c:99999",
    "oci://", "urn:pulumi:a", "urn:pulumi:a::b::c::d", "1h", "-1h", "9" * 30 + "h", "2026-02-30",
    "-----BEGIN CERTIFICATE-----", "YQ==", "*", "-rf", "a" * 5000, "Pulumi.x.yaml", "\N{BOM}",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 65536, 2**31, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    [], {}, [[]], [{}], {"": ""}, [None], ["x", "x"], {"secure": "x"}, {"secure": {"secure": "x"}},
    {"secure": None}, [1, "a", None], {"x": {"y": {"z": []}}}, {"name": "x"}, [{"name": "x"}] * 2,
)  # fmt: skip
BYTES = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\t", b"\r\n", b"[" * 500, b"{a: " * 200,
    b"]" * 9, b"&a ", b"*a", b"<<: ", b"!!python/object/apply:os.system [x]", b"!!set ",
    b"!!binary ", b"---\n", b"...\n", b"%YAML 9.9\n", b": ", b"- ", b"? ", b"'", b'"',
    b"\\u0000", b"|\n", b"#", b"\xed\xa0\x80", b"9" * 5000, b"1e999", b"\xc2\x85",
    b"\xe2\x80\xa8", b",", b"null", b"NaN",
)  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """A spoilt document. misspelt: the path of a key that was renamed, with its new name."""

    content: bytes
    what: str
    misspelt: KeyPath | None = None


def mutated(
    document: Any,
    text: bytes,
    seed: int,
    *,
    as_json: bool = False,
    settings: Mapping[KeyPath, Any] | None = None,
) -> Mutation:
    """The document with one to three things changed; `text` is how it is written.

    settings: values that are good at their paths, which are set instead, and elsewhere too.
    """
    chance = random.Random(seed)  # noqa: S311  (the same for everybody is what is wanted)
    if settings and chance.random() < 0.7:
        return _settings(copy.deepcopy(document), settings, chance)
    if chance.random() < 0.4:
        return _bytes(text, chance)
    made, told, misspelt = copy.deepcopy(document), [], None
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        made, what, key = _structure(made, chance)
        told.append(what)
        misspelt = misspelt or key
    return Mutation(written(made, as_json), "; ".join(told), misspelt if len(told) == 1 else None)


def _settings(document: Any, settings: Mapping[KeyPath, Any], chance: random.Random) -> Mutation:
    told, every = [], list(settings)
    for _ in range(chance.choice((1, 1, 2, 4))):
        path = chance.choice(every)
        value = settings[path if chance.random() < 0.6 else chance.choice(every)]
        if chance.random() < 0.2:
            value = chance.choice((_value(chance), [value], [value, value]))
        try:
            place = document
            for part in path[:-1]:
                place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
            place[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # what is above it was changed before
        told.append(f"{'.'.join(map(str, path))} is {value!r:.60}")
    return Mutation(written(document, as_json=False), "; ".join(told) or "nothing")


def written(document: Any, as_json: bool) -> bytes:
    """A document as YAML or JSON, whatever is in it."""
    if as_json:
        return json.dumps(document).encode()
    return yaml.safe_dump(document, sort_keys=False).encode("utf-8", "surrogatepass")


def _bytes(text: bytes, chance: random.Random) -> Mutation:
    made, told = bytearray(text), []
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(5):
            case 0 if made:
                at = min(at, len(made) - 1)
                made[at] ^= 1 << chance.randrange(8)
                told.append(f"bit at {at}")
            case 1:
                token = chance.choice(BYTES)
                made[at:at] = token
                told.append(f"{token[:12]!r} at {at}")
            case 2:
                length = chance.choice((1, 1, 8, 100))
                del made[at : at + length]
                told.append(f"{length} gone at {at}")
            case 3:
                del made[at:]
                told.append(f"cut at {at}")
            case _:
                start = chance.randrange(len(made) + 1)
                made[at:at] = made[start : start + chance.choice((10, 200))]
                told.append(f"a part of {start} at {at}")
    return Mutation(bytes(made), ", ".join(told))


def paths(document: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every value."""
    yield path
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield from paths(value, (*path, key))


def at(document: Any, path: KeyPath) -> Any:
    """The value at a path."""
    for part in path:
        document = document[part]
    return document


def _structure(document: Any, chance: random.Random) -> tuple[Any, str, KeyPath | None]:
    every = list(paths(document))
    path = chance.choice(every)
    if not path:
        path = chance.choice(every)
    if not path:
        value = _value(chance)
        return value, f"all is {value!r:.40}", None
    parent, key = at(document, path[:-1]), path[-1]
    where = ".".join(map(str, path))
    match chance.randrange(9):
        case 0:
            del parent[key]
            return document, f"{where} gone", None
        case 1 if isinstance(parent, dict):
            name = _slip(str(key), chance)
            if name not in parent:
                parent[name] = parent.pop(key)
                return document, f"{where} misspelt as {name!r:.60}", (*path[:-1], name)
            return document, "nothing", None
        case 2:
            parent[key] = copy.deepcopy(at(document, chance.choice(every)))
            return document, f"{where} as elsewhere", None
        case 3:
            parent[key] = chance.choice(([parent[key]], {str(key): parent[key]}))
            return document, f"{where} wrapped", None
        case 4 if isinstance(parent, list):
            parent.insert(chance.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
            return document, f"{where} twice", None
        case 5 if isinstance(parent[key], dict):
            parent[key][chance.choice(TEXTS)] = _value(chance)
            return document, f"{where} with one more", None
        case 6:
            deep: Any = "x"
            for _ in range(chance.choice((20, 90))):
                deep = [deep] if chance.random() < 0.5 else {"x": deep}
            parent[key] = deep
            return document, f"{where} deep", None
        case _:
            parent[key] = _value(chance)
            return document, f"{where} is {parent[key]!r:.60}", None


def _value(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(chance.choice((TEXTS, VALUES))))


def _slip(word: str, chance: random.Random) -> str:
    """A word with a letter gone, twice, in another case or of another kind."""
    if not word:
        return "x"
    place = chance.randrange(len(word))
    letter = chance.choice((word[place] * 2, "", word[place].swapcase(), "_", "x"))
    return word[:place] + letter + word[place + 1 :]
