"""Where a value stands that its name makes secret: behind it, in the ways of each language.

YAML, JSON, Python, TOML, shells, flags, headers, XML, tables, Go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from schema.secret_forms import Span
from schema.secret_names import LIKELY, MASKED, MAYBE, SECRET, SURE, is_odd, judged, sureness
from schema.secret_values import (
    FUNCTION_WORDS,
    OPEN,
    QUOTE,
    READ,
    WORD,
    ends,
    is_sentence,
    quoted,
    written,
)

# Names that tell have one of these; the short ones only at the end of a word.
_STEMS = (
    *("passw", "passphrase", "passcode", "pswd", "pwd", "secret", "token", "credential", "creds"),
    *("authori", "cookie", "webhook", "connection", "slack_api_url", "slackapiurl", "bearer"),
    *("session", "heartbeat", "nonce"),
)
_SHORT_STEMS = (
    *("pass", "pw", "key", "keys", "auth", "jwt", "dsn", "sig", "signature", "salt", "seed", "pin"),
    *("otp", "sid", "hook"),
)
_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")
_NAME_REST = re.compile(r"[\w-]{0,60}")
_LONGEST_NAME = 80
_SEPARATOR = re.compile(
    rf"(?P<close>{QUOTE}|\*\*|</(?:b|code|td|th|dt|strong)>)?(?P<list>\]|\))?"
    rf"(?:\s{{0,20}}(?P<sep>:=|=>|={{1,2}}(?!=)|:(?!:|//))(?P<space>[ \t]{{0,40}})"
    rf"|(?P<table>[ \t]{{0,40}}\|[ \t]{{0,40}}(?!\|)"
    rf"|(?:</code>)?</t[dh]>\s{{0,20}}<td>(?:<code>)?|</dt>\s{{0,20}}<dd>(?:<code>)?)"
    rf"|(?P<tag>>)"
    rf"|(?P<pair>[\s,]{{1,40}}(?:(?:-|\\n)\s{{0,40}})?{QUOTE}?(?i:value|content|val|data|default){QUOTE}?\s{{0,20}}[:=]\s{{0,20}})"
    rf"|(?P<flag>[ \t]{{1,8}}))"
)
_LISTED = re.compile(r"\[\s{0,40}|\(\s{0,10}")
_BLOCK = re.compile(
    r"(?:![\w!/.-]{1,40}[ \t]+)?[|>][+-]?\d?[+-]?[ \t]*(?:#[^\n]*)?(?=\n|\\n|\r|\Z)"
)
_INDENTED = re.compile(r"(?:\r?\n[ \t]*(?=\r?\n))*\r?\n([ \t]+)(\S[^\n]*)")
_ESCAPED = re.compile(r"\\+n([ \t]+)([^\\\"\n]+)")


def found(text: str) -> Iterator[Span]:
    """What of the text is secret by the name before it."""
    done = 0
    for at, after in _stems(text):
        if at < done:
            continue
        rest = _NAME_REST.match(text, after)
        start, end = at, rest.end() if rest else after
        least = max(done, start - _LONGEST_NAME)
        while start > least and text[start - 1] in _NAME_CHARS:
            start -= 1
        name = text[start:end]
        if name == SECRET[1:-1] and text[start - 1 : end + 1] == SECRET:
            done = end
            continue  # what was masked before
        sure = sureness(name)
        span = _value(text, start, end, sure, name) if sure else None
        if span:
            yield span
        done = span[1] if span else end


def _stems(text: str) -> list[Span]:
    """Where a name may tell: found in C, for that is most of the work of the whole masking."""
    lowered = text.lower()
    if len(lowered) != len(text):  # places must stay the same
        lowered = text.translate(_ASCII_LOWER)
    places = []
    for stem in _STEMS:
        at = lowered.find(stem)
        while at >= 0:
            places.append((at, at + len(stem)))
            at = lowered.find(stem, at + len(stem))
    for stem in _SHORT_STEMS:
        at = lowered.find(stem)
        while at >= 0:
            after = at + len(stem)
            if text[after : after + 1] not in _LOWER:
                places.append((at, after))
            at = lowered.find(stem, after)
    places.sort()
    return places


def _value(text: str, start: int, end: int, sure: int, name: str) -> Span | None:
    match = _SEPARATOR.match(text, end)
    if match is None:
        return None
    at = match.end()
    if match["tag"]:
        return _in_tag(text, start, at, sure, name)
    if match["table"]:
        return _in_table(text, start, at, sure, name)
    if match["pair"]:
        return written(text, start, at, sure, name)
    if match["flag"]:
        return _after_flag(text, at, sure, name)
    in_yaml = match["sep"] == ":" and not match["close"]
    if in_yaml and (block := _BLOCK.match(text, at)):
        return _block(text, start, block.end()) if sure > MAYBE else None
    if in_yaml and (at >= len(text) or text[at] in "\r\n"):
        return _next_line(text, start, at, sure, name)
    if in_yaml and not match["space"] and not _may_have_no_gap(text, start, at, sure):
        return None
    if listed := _LISTED.match(text, at):
        return _list(text, listed.end(), sure, name)
    return written(text, start, at, sure, name)


def _may_have_no_gap(text: str, start: int, at: int, sure: int) -> bool:
    """`{Password:x}` of Go, `X-Api-Key:x`; no type `core/v1:Secret::x`, no `a:token:b`."""
    before = text[start - 1] if start else "\n"
    if before not in "{[( \t\n,\"'&?;<>" or sure < LIKELY:
        return False
    if OPEN.match(text, at):
        return True
    word = WORD.match(text, at, at + READ)
    return word is not None and "::" not in word[0] and "/" not in text[start:at]


def _list(text: str, at: int, sure: int, name: str) -> Span | None:
    stop = min((p for p in (text.find("]", at), text.find(")", at)) if p > 0), default=-1)
    if stop < 0 or stop - at > 4000:
        return None
    value = text[at:stop]
    if sure < SURE or not value.strip() or MASKED.strip("[") in value:
        return None
    words = [w.strip("\"' \\") for w in value.split(",")]
    return (
        (at, stop)
        if any(judged(sure, w, name) and _is_odd_or_quoted(w) for w in words if w)
        else None
    )


def _is_odd_or_quoted(word: str) -> bool:
    return is_odd(word) or any(c.isdigit() or not (c.isalnum() or c in "-_.") for c in word)


def _after_flag(text: str, at: int, sure: int, name: str) -> Span | None:
    """`--password x`; `PASSWORD` behind it stands for any."""
    if not name.startswith("-") or sure < LIKELY:
        return None
    if opening := OPEN.match(text, at):
        return quoted(text, opening, sure, name)
    word = WORD.match(text, at, at + READ)
    if word is None or word[0].startswith(("-", "[")):
        return None
    value = word[0].rstrip(",.;:)]")
    if re.fullmatch(r"[A-Z][A-Z_]*", value) or value.lower() in FUNCTION_WORDS:
        return None
    after = text[word.end() : ends(text, word.end())].strip()
    if value.isalpha() and value.islower() and is_sentence(after):
        return None
    return (at, at + len(value)) if judged(sure, value, name) else None


def _in_tag(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """`<password>x</password>`."""
    before = text[start - 1] if start else ""
    if before not in "<:" or name.startswith("/"):
        return None
    stop = text.find("<", at)
    if text.startswith("<![CDATA[", at):
        at += 9
        stop = text.find("]]>", at)
    if stop < 0:
        return None
    value = text[at:stop]
    return (at, stop) if value.strip() and judged(sure, value, name) else None


def _in_table(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """The next cell of a row, where it is one word that is none of a language."""
    before = text[max(0, start - 12) : start].rpartition("\n")[2].strip(" *`\"'+-")
    if before not in ("", "|", ">") and not before.endswith((">", "||")):
        return None
    stop = min(
        (p for p in (text.find(mark, at) for mark in ("|", "\n", "<")) if p >= 0), default=len(text)
    )
    cell = text[at:stop].strip()
    value = cell.strip("`*\"'")
    if not value or " " in value:
        return None
    if sure < SURE and not is_odd(value):
        return None
    place = text.find(value, at)
    return (place, place + len(value)) if judged(sure, value, name) else None


def _block(text: str, start: int, at: int) -> Span | None:
    """The lines below `password: |`, which are indented more than the key."""
    indent = _indent(text, start)
    begin = None
    lines = _ESCAPED if text.startswith("\\", at) else _INDENTED
    while line := lines.match(text, at):
        if len(line[1]) <= indent:
            break
        begin = line.start(2) if begin is None else begin
        at = line.end()
    if begin is None or MASKED in text[begin:at]:
        return None
    return begin, at


def _next_line(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A scalar on the line below its key; a mapping or a list is none."""
    line = _INDENTED.match(text, at)
    if line is None or len(line[1]) <= _indent(text, start) or sure < LIKELY:
        return None
    content = line[2].strip()
    if content.startswith("- "):
        place, content = line.start(2) + 2, content[2:]
    else:
        place = line.start(2)
    if re.match(r"[\w./\"'-]{1,100}:(?:\s|\Z)|#", content) or " " in content:
        return None
    return (place, line.start(2) + len(line[2].rstrip())) if judged(sure, content, name) else None


def _indent(text: str, start: int) -> int:
    before = (
        text[:start].rpartition("\n")[2]
        if start < 400
        else text[start - 400 : start].rpartition("\n")[2]
    )
    return len(before) - len(before.lstrip(" \t")) if before.strip(" \t-\"'") == "" else 0
