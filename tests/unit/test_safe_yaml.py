"""The one reader of YAML: whatever a text is, it is read, or refused in one line, in no time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml

from schema import safe_yaml
from schema.safe_yaml import YamlError
from tests.unit.stack_files import REPO

_GROWING = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
)
_MERGING = "\n".join(
    ["m0: &m0 {a: 1, b: 2, c: 3}"]
    + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 10)]
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 300_000, "nested too deep: over 100 levels, which is the limit"),
        ("- " * 100_000 + "x", "nested too deep"),
        ("{a: " * 60_000, "nested too deep"),
        ("? " * 100_000, "nested too deep"),
        ("\n".join(f"{' ' * depth}a:" for depth in range(600)), "nested too deep"),
        (_GROWING, "holds over 1,000,000 values, aliases followed, which is the limit"),
        (_MERGING, "holds over 1,000,000 values"),
        ("a: &a [*a]", r"an alias without an anchor before it: \*a"),
        ("a: *b", "found undefined alias|without an anchor"),
        ("a" * (safe_yaml.MOST + 1), "holds over 16,777,216 characters, which is the limit"),
        ("a: !!int x", "cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: !!int ''", "cannot be read"),
        ("a: !!float ''", "cannot be read"),
        ("a: !!bool x", "cannot be read"),
        ("a: !!python/object/apply:os.system [x]", "has the tag !!python/object/apply:os.system"),
        ("a: !!set {b}", "has the tag !!set"),
        ("a: !!str {b: c}", "has the tag !!str"),
        ("a: !!binary aGk=", "has the tag !!binary"),
        ("{? [a] : b}", "a key that is not a scalar"),
        ("<<: x", "merging"),
        ("a: [", "expected"),
        ("a: \x00", "character"),
        ("\ud800", "surrogates"),
        (b"\xff\xfe\xff", "character"),
        (b"a: \xff", "character|utf-8|UTF-8|decode"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_not_safe_to_read_is_refused_at_once(text: str | bytes, why: str) -> None:
    """The C loader died of 20,000 brackets, and ten lines of aliases filled the memory."""
    began = time.monotonic()
    with pytest.raises(YamlError, match=why) as caught:
        safe_yaml.load(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: {b: null, c: ~, d: }", {"a": {"b": None, "c": None, "d": None}}),
        ("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", {"a": {"b": 1}, "c": {"b": 1},
                                                     "d": {"b": 1, "e": 2}}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 2026-13-45", {"a": "2026-13-45"}),
        ("1: a\ntrue: b\non: c", {"1": "a", "true": "b", "on": "c"}),
        ("enum: [=, '=~']", {"enum": ["=", "=~"]}),
        ("a: 1\n---\nb: 2", {"a": 1}),
    ],
)  # fmt: skip
def test_values_are_those_of_json(text: str, value: object) -> None:
    """A date in a manifest ended the plan: JSON, in which renderings are kept, has none."""
    assert safe_yaml.load(text) == value


@pytest.mark.parametrize("file", sorted(REPO.glob("*.yaml")), ids=lambda file: file.name)
def test_the_projects_own_files_read_as_with_pyyaml(file: Path) -> None:
    """Another reader of them must make no other value."""
    text = file.read_text(encoding="utf-8")
    assert list(safe_yaml.load_all(text)) == list(yaml.safe_load_all(text))


def test_no_other_reader_of_yaml_is_left() -> None:
    """Each of them was one more text that ended the process."""
    other = re.compile(r"(?<!safe_)yaml\.(safe_load|load|compose)|SafeLoader")
    found = [
        str(file.relative_to(REPO))
        for folder in ("bot", "components", "policies", "sandbox", "schema", "stack")
        for file in (REPO / folder).rglob("*.py")
        if ".venv" not in file.parts
        and file.name not in ("safe_yaml.py", "yaml_file.py")
        # The list of charts that lies beside it in the distribution, which has no other reader.
        and file != REPO / "components" / "chart.py"
        # It asks where values end, of a text that the other has read without a fault.
        and file != REPO / "bot" / "mesh" / "traffic" / "shift.py"
        if other.search(file.read_text(encoding="utf-8"))
    ]
    assert not found
