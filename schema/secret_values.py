"""A value behind a name: in quotes, which may be escaped, or without."""

from __future__ import annotations

import re

from schema.secret_forms import Span
from schema.secret_names import REFERS, SURE, is_odd, judged

QUOTE = r"(?:\\*[\"'`]|&quot;|&\#34;|&\#x27;|&\#39;|&apos;)"
OPEN = re.compile(QUOTE)
WORD = re.compile(r"[^\s\"'`<>]+")
_CUT = re.compile(
    r"[&;,](?=\s|\Z|[\w.-]{1,60}[=:])|&amp;|\\+[\"nrt]|&quot;|&#\w{2,4};|[)\]}]*[,;.:)\]}]*\Z|\|"
)
_LINE = re.compile(r"[^\r\n]*")
READ = 300  # characters after a name by which it is judged: a text may be one long line of names
FUNCTION_WORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "it",
        "its",
        "to",
        "is",
        "are",
        "was",
        "be",
        "been",
        "must",
        "may",
        "can",
        "should",
        "of",
        "for",
        "in",
        "and",
        "or",
        "not",
        "no",
        "from",
        "with",
        "that",
        "this",
        "on",
        "by",
        "at",
        "as",
        "has",
        "have",
        "had",
        "if",
        "when",
        "which",
        "who",
        "what",
        "where",
        "how",
        "set",
        "see",
        "use",
        "needs",
        "need",
        "than",
        "so",
        "do",
        "does",
        "did",
        "will",
        "would",
        "could",
        "denied",
        "missing",
        "invalid",
        "required",
        "expired",
        "wrong",
        "unknown",
        "failed",
        "found",
        "permission",
        "after",
        "before",
        "only",
        "every",
        "each",
        "any",
        "all",
        "you",
        "your",
        "we",
        "our",
        "they",
        "them",
        "but",
        "into",
        "per",
        "via",
    ]
)


_TAG = re.compile(
    r"(?:!!\w{1,40}[ \t]+|(?:![\w/.-]{0,40}|&\w{1,40})[ \t]+(?=[\"'])|[rbuf]{1,2}(?=[\"'])|"
    r"\$(?=[\"']))?"
)


def written(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A value in quotes or without."""
    tag = _TAG.match(text, at)
    at = tag.end() if tag else at
    if opening := OPEN.match(text, at):
        return quoted(text, opening, sure, name)
    return _plain(text, start, at, sure, name)


def quoted(text: str, opening: re.Match[str], sure: int, name: str) -> Span | None:
    """A value in quotes, which may be escaped, as in JSON within JSON."""
    quote, begin = opening[0], opening.end()
    if quote in ('"', "'") and text.startswith(quote * 2, begin):
        stop = text.find(quote * 3, begin + 2)
        begin, stop = (begin + 2, stop) if stop > 0 else (begin, begin)
    elif len(quote) == 1:
        stop = _closing(text, begin, quote)
    else:
        stop = text.find(quote, begin)
    if stop < 0:
        stop = ends(text, begin)
    value = text[begin:stop]
    return (begin, stop) if value.strip() and judged(sure, value, name) else None


_CLOSING = {
    '"': re.compile(r"[^\"\\]*(?:\\.[^\"\\]*)*", re.DOTALL),
    "'": re.compile(r"[^'\\]*(?:(?:\\.|'')[^'\\]*)*", re.DOTALL),
    "`": re.compile(r"[^`]*"),
}


def _closing(text: str, begin: int, quote: str) -> int:
    match = _CLOSING[quote].match(text, begin)
    stop = match.end() if match else begin
    return stop if stop < len(text) else -1


def ends(text: str, begin: int) -> int:
    """Where the line ends, or what is read of it."""
    line = _LINE.match(text, begin, begin + READ)
    return line.end() if line else begin


def _plain(text: str, start: int, at: int, sure: int, name: str) -> Span | None:
    """A value without quotes: a word, or for a password the words up to the line's end."""
    line = text[at : ends(text, at)]
    phrase = line.strip()
    if " " in phrase and sure == SURE and _begins_line(text, start) and "pass" in name.lower():
        words = re.split(r"[\s,.;:]+", re.sub(r"\s#.*", "", phrase).lower())
        if (
            1 < len(words) <= 8
            and FUNCTION_WORDS.isdisjoint(words)
            and not re.search(r"[=|:{\[(]", phrase)
        ):
            return at, at + len(line.rstrip())
    word = WORD.match(text, at, at + READ)
    if word is None:
        return None
    value = word[0]
    if value[0] in "{([":
        return None  # values of their own
    if (reference := REFERS.match(line)) and line[reference.end() :][:1] in ("", *" ,;.)&\"'}]\r"):
        return None
    if cut := _CUT.search(value, 1):
        value = value[: cut.start()]
    after = line[len(word[0]) :]
    after = after.strip() if after[:1] == " " else ""
    if after and sure < SURE and not is_odd(value):
        return None  # words about it
    if after and value.lower() in FUNCTION_WORDS:
        return None
    if after and text[at - 1] == " " and value.isalpha() and is_sentence(after):
        return None
    if not value or not judged(sure, value, name):
        return None
    if len(value) == READ and (whole := WORD.match(text, at)):
        return whole.span()
    return at, at + len(value)


def is_sentence(after: str) -> bool:
    """Whether the rest of a line is words, not a comment or the next of several values."""
    if re.match(r"[-\w.]{1,60}[=:]|[#|},;&)\]]|-{1,2}\w", after):
        return False
    return bool(re.search(r"[a-z]", after[:200].lower()))


def _begins_line(text: str, start: int) -> bool:
    before = text[max(0, start - 80) : start].rpartition("\n")[2]
    return not before.strip(" \t-+|>#*\"'`{[(,") or before.strip() in ("export", "set", "$env:")
