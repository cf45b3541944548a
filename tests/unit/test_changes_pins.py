"""What moves in the files that pin versions: no plan can show it, so the text is compared."""

from __future__ import annotations

import pytest

from bot.changes import pins
from bot.changes.causes import report
from bot.changes.risk import assess
from bot.comments.summary import ROOMS, summary, verdict
from tests.unit import comment_samples
from tests.unit.changes_samples import whole

SHA = ("11bd71901bbe5b1630ceea73d27597364c9af683", "a26af69be951a213d495a4c3e4e4022e16d87065")
CHART = "charts: {cert-manager: {repository: https://a.example, version: v1.21.1%s}}"
LOCKED = "pulumi-vault==%s \\\n    --hash=sha256:%s \\\n    --hash=sha256:%s\n    # via x\n"
STEP = "    - uses: actions/checkout@%s%s\n      with:\n        pulumi-version: %s\n"
A, B, C, D = (letter * 64 for letter in "abcd")
# File, both texts, and what is told: the row, the name, both sides.
CASES: dict[str, tuple[str, str | None, str | None, list[tuple[str, str, str | None, str | None]]]]
CASES = {
    "provider-patch": ("requirements.txt", "pulumi-vault==7.14.0", "pulumi-vault==7.14.1",
        [("patch", "pulumi-vault", "7.14.0", "7.14.1")]),
    "provider-minor": ("requirements.txt", "Pulumi_Kubernetes==4.34.2", "pulumi-kubernetes==4.35.0",
        [("minor", "pulumi-kubernetes", "4.34.2", "4.35.0")]),
    "provider-major": ("requirements.txt", "pulumi-vault==7.14.0", "pulumi-vault==8.0.0 # why",
        [("major", "pulumi-vault", "7.14.0", "8.0.0")]),
    "provider-older": ("policies/requirements.txt", "pulumi==3.272.0", "pulumi==3.260.0",
        [("major", "pulumi", "3.272.0", "3.260.0")]),
    "in-a-lock": ("requirements.lock", LOCKED % ("7.14.0", A, B), LOCKED % ("8.0.0", C, D),
        [("major", "pulumi-vault", "7.14.0", "8.0.0")]),
    "other-hashes": ("requirements.lock", LOCKED % ("7.14.0", A, B), LOCKED % ("7.14.0", C, D),
        [("content", "pulumi-vault", f"sha256:{A[:12]}", f"sha256:{C[:12]}")]),
    "one-more-hash": (
        "requirements.lock", LOCKED % ("7.14.0", A, B), LOCKED % ("7.14.0", A, C), []),
    "no-hashes": ("requirements.lock", LOCKED % ("7.14.0", A, B), "pulumi-vault==7.14.0\n",
        [("unchecked", "pulumi-vault", "with a digest", "without")]),
    "no-lock": ("requirements.lock", LOCKED % ("7.14.0", A, B), None,
        [("unchecked", "requirements.lock", "1 pins", None)]),
    "not-pinned": ("requirements.txt", "pulumi==3.272.0", "pulumi>=3.272.0",
        [("unchecked", "pulumi", "3.272.0", "any")]),
    "library": ("requirements.txt", "pydantic==2.14.3\nx==1.0", "pydantic[email]==3.0.0\nx==1.1",
        [("library", "pydantic", "2.14.3", "3.0.0"), ("other", "x", "1.0", "1.1")]),
    "new-package": ("requirements.txt", "", "left-pad==1.0.0",
        [("library", "left-pad", None, "1.0.0")]),
    "checks": ("requirements.txt", "pytest==9.2.0", "pytest==10.0.0; python_version > '3'",
        [("other", "pytest", "9.2.0", "10.0.0")]),
    "index": ("requirements.txt", "--index-url https://a.example", "--index-url https://b.example",
        [("source", "package index", "https://a.example", "https://b.example")]),
    "chart-digest": ("charts.yaml", CHART % ", digest: one", CHART % ", digest: two",
        [("content", "cert-manager", "one", "two")]),
    "chart-without-digest": ("charts.yaml", CHART % ", digest: one", CHART % "",
        [("unchecked", "cert-manager", "with a digest", "without")]),
    "chart-with-digest": ("charts.yaml", CHART % "", CHART % ", digest: one",
        [("other", "cert-manager", "without a digest", "with one")]),
    "engine-in-a-workflow": (".github/workflows/stack.yml",
        STEP % (SHA[0], " # v4.2.2", "3.272.0"), STEP % (SHA[0], " # v4.2.2", "4.0.0"),
        [("major", "actions/checkout pulumi-version", "3.272.0", "4.0.0")]),
    "engine-in-the-environment": (".github/actions/setup/action.yml",
        '  PULUMI_VERSION: "3.272.0"', '  PULUMI_VERSION: "3.273.0"',
        [("minor", "PULUMI_VERSION", "3.272.0", "3.273.0")]),
    "tool": (".github/workflows/ci.yml", "HELM_VERSION: v3.22.0", "HELM_VERSION: v4.0.0",
        [("library", "HELM_VERSION", "v3.22.0", "v4.0.0")]),
    "action": (".github/workflows/ci.yml",
        STEP % (SHA[0], " # v4.2.2", "3.2.0"), STEP % (SHA[1], " # v4.3.0", "3.2.0"),
        [("other", "actions/checkout", "v4.2.2", "v4.3.0")]),
    "action-by-a-tag": (".github/workflows/ci.yml",
        STEP % (SHA[0], " # v4.2.2", "3.2.0"), STEP % ("v4", "", "3.2.0"),
        [("unchecked", "actions/checkout", "v4.2.2", "any"),
         ("unchecked", "actions/checkout", "with a digest", "without")]),
    "action-that-is-another": (".github/workflows/ci.yml",
        STEP % (SHA[0], " # v4.2.2", "3.2.0"), STEP % (SHA[1], " # v4.2.2", "3.2.0"),
        [("content", "actions/checkout", SHA[0][:19], SHA[1][:19])]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_pin_that_moves_is_told_with_what_it_can_do(name: str) -> None:
    """`no changes` under a new major version of a provider is approved without a look."""
    file, before, after, expected = CASES[name]
    sides = ({} if text is None else {file: text} for text in (before, after))
    found = pins.moves(*sides)
    assert [(pins.row(move), move.name, move.before, move.after) for move in found] == expected
    assert all(move.files == (file,) for move in found)
    assert pins.is_pinned(file)


def test_one_move_in_several_files_is_one() -> None:
    """A lock says again what the requirements say."""
    sides = (
        {
            "requirements.txt": f"pulumi-vault=={version}",
            "requirements.lock": LOCKED % (version, *h),
        }
        for version, h in (("7.14.0", (A, B)), ("8.0.0", (C, D)))
    )
    (move,) = pins.moves(*sides)
    assert move.files == ("requirements.lock", "requirements.txt")
    assert pins.row(move) == "major"


def test_the_comment_names_what_moves_with_its_level() -> None:
    """Nothing else changes, and it is not called quiet."""
    moved = pins.moves(
        {"requirements.txt": "pulumi==3.272.0\npulumi-vault==7.14.0\nruff==0.1.0"},
        {"requirements.txt": "pulumi==3.272.1\npulumi-vault==8.0.0\nruff==0.2.0"},
    )
    found = whole(pins=moved)
    assert assess(found)
    told = report(found)
    assert verdict(told) == "HIGH risk, 0 changes, 3 pinned versions"
    text = summary(told, comment_samples.RUN, ROOMS[0])
    assert "- **HIGH** a major or older version of Pulumi" in text
    assert "`package pulumi-vault 7.14.0 to 8.0.0 (requirements.txt)`" in text
    assert "- **LOW** a patch version of Pulumi" in text
    assert "`package pulumi 3.272.0 to 3.272.1 (requirements.txt)`" in text


@pytest.mark.parametrize("path", ["README.md", "stack/requirements.py", "docs/a.yaml", "x.lock"])
def test_other_files_pin_nothing(path: str) -> None:
    assert not pins.is_pinned(path)


@pytest.mark.parametrize(
    "text", ["[", "a: &a [*a]", "charts: [1]", "charts: {a: 1}", "\0", "- " * 99]
)
@pytest.mark.parametrize("path", ["charts.yaml", "requirements.txt", "uv.lock", ".github/a.yml"])
def test_a_file_that_cannot_be_read_is_no_fault_of_the_plan(path: str, text: str) -> None:
    """Whoever wrote it is a stranger; its own tool refuses it."""
    pins.moves({path: text}, {path: f"{text}\nx"})
