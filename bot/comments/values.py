"""Values as lines of a ```diff block: before and after of one property, and whole objects."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.changes import paths
from bot.changes.model import Absent, FieldChange
from bot.comments import structure
from bot.text.hidden_values import SECRET, UNKNOWN
from bot.text.markdown import cut
from bot.text.output import visible
from schema.masking import masked

# Above this, finding the smallest difference of two texts takes longer than it is worth.
_COMPARED_LINES = 1000
_WIDEST_LINE = 300  # characters
# Of a text of JSON or YAML: enough to see what kind of change it is. The rest is counted.
_VALUES = 24  # lines
_VALUE = 160  # characters
# What such a text of several lines is called: as a file, or as Linkerd calls its own settings.
_FILES = (".yaml", ".yml", ".json")
_SETTINGS = "values"
_PLAIN = re.compile(r"[\w./(<=>*$%-][^\n\t]*(?<! )")
_NUMBER = re.compile(r"[-+.]?\d[\d_]*(\.\d*)?([eE][-+]?\d+)?|0[xo][\da-fA-F]+|[-+]?\.(inf|nan)")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "~"})
_MARKS = frozenset({SECRET, UNKNOWN})


@dataclass(frozen=True)
class Amount:
    """How much of a resource is shown.

    value: characters of a value. text: lines of a value of several lines. new: lines of an object
    that is created or deleted. fields: properties of a resource with their values; the others are
    named.
    """

    value: int
    text: int
    new: int
    fields: int


FULL = Amount(value=400, text=200, new=60, fields=1000)
BRIEF = Amount(value=160, text=12, new=0, fields=40)
LISTED = Amount(value=0, text=0, new=0, fields=0)


def field_lines(field: FieldChange, amount: Amount) -> list[str]:
    """One property: a line that names it, then what goes and what comes."""
    title = cut(visible(masked(field.path)).replace("\n", "\\n").replace("\t", "\\t"), 300)
    lines = [f"@@ {title} @@{'  replaces the resource' if field.replaces else ''}"]
    if told := _structure(field, amount):
        return [*lines, *told]
    before, after = _lines_of(field.before), _lines_of(field.after)
    if len(before) <= 1 and len(after) <= 1:
        old, new = _scalars(before, after, amount.value)
        return [*lines, *old, *new]
    return [*lines, *_shortened(_unified(before, after), amount.text)]


def _structure(field: FieldChange, amount: Amount) -> list[str]:
    """Two texts of JSON or YAML value by value; none where lines of text tell it better."""
    before, after = field.before, field.after
    if not isinstance(before, str) or not isinstance(after, str):
        return []
    if "\n" not in before.strip() + after.strip():
        if max(len(before), len(after)) <= amount.value:
            return []
        found = structure.differences(before, after)
    else:
        name = str((paths.parts(field.path) or ("",))[-1])
        if name != _SETTINGS and not name.endswith(_FILES):
            return []
        found = structure.yaml_differences(before, after)
    most = min(amount.text, _VALUES)
    return [visible(each) for each in structure.lines(found, most, _VALUE)]


def object_lines(content: Mapping[str, Any], sign: str, amount: Amount) -> list[str]:
    """An object that comes (`+`) or goes (`-`), as far as the amount allows."""
    whole = [_signed(sign, line, amount.value) for line in tree(content)]
    return _shortened(whole, amount.new)


def tree(value: Any, indent: str = "") -> Iterator[str]:
    """A value as lines in the manner of YAML."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            shown = visible(json_free(masked(str(key))))
            yield from _branch(f"{indent}{shown}:", item, f"{indent}  ")
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _branch(f"{indent}-", item, f"{indent}  ")
    elif isinstance(value, str) and "\n" in value:
        yield from (f"{indent}{visible(line)}" for line in value.split("\n"))
    else:
        yield f"{indent}{scalar(value)}"


def _branch(start: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield start
        yield from tree(item, indent)
    elif isinstance(item, str) and "\n" in item:
        yield f"{start} |"
        yield from tree(item, indent)
    else:
        yield f"{start} {scalar(item)}"


def json_free(key: str) -> str:
    """A key on one line."""
    return key.replace("\n", "\\n").replace("\t", "\\t")


def scalar(value: Any) -> str:
    """A value on one line; text that could be taken for something else is in quotes."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    bare = value in _MARKS or (
        _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value) and value.lower() not in _WORDS
    )
    return visible(value) if bare else visible(json.dumps(value, ensure_ascii=False))


def _lines_of(value: Any) -> list[str]:
    if isinstance(value, str):
        if value == Absent.ABSENT.value:
            return []
        if "\n" in value.rstrip("\n"):
            # The last line feed shows as an empty line: its loss is a change too.
            return [visible(line) for line in value.split("\n")]
    return list(tree(value))


def _scalars(before: Sequence[str], after: Sequence[str], limit: int) -> tuple[list[str], ...]:
    if before and after and max(len(before[0]), len(after[0])) > limit:
        # Both may begin alike: what is shown has to be where they part.
        same = _alike(before[0], after[0])
        start = max(0, same - limit // 4) if same > limit // 2 else 0
        return tuple(
            [_signed(sign, f"…{text[start:]}" if start else text, limit, len(text))]
            for sign, text in (("-", before[0]), ("+", after[0]))
        )
    return [_signed("-", t, limit) for t in before], [_signed("+", t, limit) for t in after]


def _signed(sign: str, text: str, limit: int, whole: int | None = None) -> str:
    if len(text) <= limit:
        return f"{sign} {text}"
    return f"{sign} {text[:limit]}… ({len(text) if whole is None else whole:,} characters)"


def _unified(before: list[str], after: list[str]) -> list[str]:
    """The difference of two texts, three lines around it."""
    # What is alike at both ends is most of a long text, and need not be compared.
    lead = max(0, _alike(before, after) - 3)
    old, new = before[lead:], after[lead:]
    spare = max(0, _alike(old[::-1], new[::-1]) - 3)
    old, new = old[: len(old) - spare], new[: len(new) - spare]
    if max(len(old), len(new)) > _COMPARED_LINES:
        lines = [*(f"-{line}" for line in old), *(f"+{line}" for line in new)]
    else:
        lines = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
    marked = [
        f"  … line {lead + 1 + _offset(line)}"
        if line.startswith("@@")
        else _signed(line[0], line[1:], _WIDEST_LINE)
        for line in lines
    ]
    return marked[1:] if marked[:1] == ["  … line 1"] else marked


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many characters or lines two of them begin with in common."""
    shorter = min(len(one), len(other))
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), shorter)


def _offset(hunk: str) -> int:
    return max(0, int(hunk.split(" ")[1][1:].split(",")[0]) - 1)


def _shortened(lines: list[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return lines
    # Both ends: what goes is listed first, and what comes would be lost.
    last = limit // 3
    left = f"  … {len(lines) - limit:,} more lines"
    return [*lines[: limit - last], left, *lines[len(lines) - last :]]
