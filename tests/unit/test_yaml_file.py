"""The strict reading of a stack file: what the engine would read otherwise is a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from schema.yaml_file import parse
from tests.unit.stack_files import STACK_FILES, good, lines_of_file, write, write_text


def faulty(text: str) -> list[str]:
    """Messages of a YAML text."""
    return [message for _, _, message in parse(text).faults]


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda f: f.name)
def test_a_real_stack_file_reads_as_with_pyyaml(file: Path) -> None:
    """Strict means more refused, never another value."""
    text = file.read_text(encoding="utf-8")
    document = parse(text)
    assert document.faults == []
    assert document.value == yaml.safe_load(text)


def test_a_line_is_known_for_every_key_and_item() -> None:
    """A fault names its line."""
    document = parse("config:\n  a:\n    - b: 1\n    - c\n")
    assert document.lines == {
        ("config",): 1,
        ("config", "a"): 2,
        ("config", "a", 0): 3,
        ("config", "a", 0, "b"): 3,
        ("config", "a", 1): 4,
    }


def test_equal_keys_are_a_fault_at_the_second() -> None:
    """PyYAML keeps the last in silence: half of a section would be ignored."""
    document = parse("a:\n  b: 1\na:\n  c: 1\n")
    assert document.faults == [(("a",), 3, "is a duplicate (first in line 1): keep one of the two")]
    assert document.value == {"a": {"b": 1}}


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "Yes", "NO"])
def test_old_words_for_true_and_false_are_a_fault(word: str) -> None:
    """They are text to the engine and a bool to PyYAML."""
    assert faulty(f"a: {word}\n") == [
        f"{word!r} is text for the engine: write true or false, or quote it"
    ]
    assert parse(f"a: '{word}'\n").value == {"a": word}


@pytest.mark.parametrize("number", ["010", "0o17", "1:30", "1_000", "1:30.5"])
def test_numbers_in_old_notations_are_a_fault(number: str) -> None:
    """`010` is eight to one parser and ten to another, `1:30` is ninety."""
    assert faulty(f"a: {number}\n") == ["is a number in an old notation: put it in quotes"]


def test_plain_numbers_and_nulls_stay_what_they_are() -> None:
    """The models say what is wrong with their type."""
    text = "a: 1\nb: -2\nc: 1.5\nd: 0\ne:\nf: ~\ng: 0x1F\n"
    document = parse(text)
    assert document.faults == []
    assert document.value == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 2026-01-01\n", "is read as a date: put it in quotes, without a tag"),
        ("a: !!binary aGk=\n", "has the tag binary: put it in quotes, without a tag"),
        ("a: !!python/name:os.system x\n", "has the tag python/name:os.system"),
        ("a: !!set {b}\n", "has the tag !!set"),
        ("a: {[b]: c}\n", "has a key that is not text"),
        ("a: " + "9" * 5000, "cannot be read as int"),
    ],
)
def test_what_a_stack_file_has_no_use_for_is_a_fault(text: str, message: str) -> None:
    """Each of them is read in one way here and in another way there."""
    (found,) = faulty(text)
    assert found.startswith(message)


@pytest.mark.parametrize("text", ["a: &x {b: 1}\nc: *x\n", "a: &x {b: *x}\n", "a: &x [*x]\n"])
def test_aliases_are_a_fault(text: str) -> None:
    """One that holds itself never ends."""
    assert faulty(text) == ["is an alias (`*name`): write the value out"]


def test_aliases_do_not_multiply() -> None:
    """Nine lines could be a billion values."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert len(faulty("\n".join(lines))) == 90


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\ta: 1", "a: 1\n---\nb: 2\n", "a: \x07"])
def test_broken_yaml_is_one_line(text: str) -> None:
    """A parser's report of five lines hides which file it is about."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    """The parser recurses."""
    with pytest.raises(ValueError, match="nested too deep"):
        parse("a: " + "[" * 2000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Pulumi.test.yaml: has no section `config:` with keys"),
        ("just text", "Pulumi.test.yaml: has no section `config:` with keys"),
        ("config:\n", "Pulumi.test.yaml: has no section `config:` with keys"),
        ("config: [a]\n", "Pulumi.test.yaml: has no section `config:` with keys"),
    ],
)
def test_a_file_without_config_is_one_line(text: str, expected: str, tmp_path: Path) -> None:
    """`pulumi stack init` leaves such a file."""
    assert lines_of_file(write_text(tmp_path, text)) == [expected]


def test_a_misspelt_top_level_key_is_named(tmp_path: Path) -> None:
    """All of the config would be ignored."""
    found = lines_of_file(write_text(tmp_path, "confg:\n  a: b\n"))
    assert "Pulumi.test.yaml:1: unknown key 'confg'; did you mean 'config'?" in found


def test_the_engines_own_keys_may_stand_beside_config(tmp_path: Path) -> None:
    """`pulumi stack init` writes them."""
    file = write(tmp_path, good())
    text = "secretsprovider: passphrase\nencryptionsalt: v1:abc\n" + file.read_text("utf-8")
    assert lines_of_file(write_text(tmp_path, text)) == []


@pytest.mark.parametrize("content", [b"config: \xff\xfe", b"\x00\x01"])
def test_a_file_that_is_no_text_is_one_line(content: bytes, tmp_path: Path) -> None:
    """It must not end in a traceback."""
    file = tmp_path / "Pulumi.test.yaml"
    file.write_bytes(content)
    assert len(lines_of_file(file)) == 1


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    """Some editors write one."""
    text = write(tmp_path, good()).read_text("utf-8")
    assert lines_of_file(write_text(tmp_path, f"\ufeff{text}")) == []


@pytest.mark.parametrize(
    ("key", "shown"),
    [("1", "1"), ("on", "on"), ("null", "null"), ('"a\\nb"', r"'a\nb'"), ('""', ""), ("?", "?")],
)
def test_an_odd_key_is_one_line_and_no_crash(key: str, shown: str, tmp_path: Path) -> None:
    """YAML has keys that are numbers, bools and line breaks."""
    text = write(tmp_path, good()).read_text("utf-8")
    found = lines_of_file(write_text(tmp_path, f"{text}  {key}: x\n"))
    assert len(found) == 1, found
    assert f": {shown}: unknown key" in found[0]
