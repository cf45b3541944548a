"""The difference of one resource: exact, short, and never the same on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, FieldChange, Op
from bot.changes.rules import Level
from bot.comments import churn, details
from bot.comments.split import Block
from bot.comments.values import BRIEF, FULL, LISTED, Amount, field_lines, scalar, tree
from bot.text.hidden_values import UNKNOWN
from tests.unit import comment_samples as samples

CHART = FieldChange(path='metadata.labels["helm.sh/chart"]', before="a-1", after="a-2")
CHECKSUM = FieldChange(
    path="spec.template.metadata.annotations.checksum/config", before="1", after="2"
)
REPLICAS = FieldChange(path="spec.replicas", before=3, after=2)


def blocks(*changes: Change, amount: Amount = FULL, found: Sequence[Any] = ()) -> list[Block]:
    """The blocks of changes of one component."""
    whole = ChangeSet(stack="s", source="preview", changes=changes)
    (section,) = details.sections(whole, found, amount, most=10**9) or ()
    return list(section.blocks)


def lines(before: Any, after: Any) -> list[str]:
    return field_lines(FieldChange(path="a", before=before, after=after), FULL)[1:]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (3, 2, ["- 3", "+ 2"]),
        (3, "3", ["- 3", '+ "3"']),
        (True, "true", ["- true", '+ "true"']),
        (None, "", ["- null", '+ ""']),
        ("a", "a ", ["- a", '+ "a "']),
        ("100m", "1e3", ["- 100m", '+ "1e3"']),
        ("[absent]", False, ["+ false"]),
        ("x", "[absent]", ["- x"]),
        ("x", UNKNOWN, ["- x", "+ [known after apply]"]),
        ("a\rb", "ab", ["- a\\u{d}b", "+ ab"]),
        ("a\u200bb", "ab", ["- a\\u{200b}b", "+ ab"]),
        ([], {}, ["- []", "+ {}"]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, ["  a: 1", "- b: 2", "+ b: 3"]),
        (["x"], ["x", "y"], ["  - x", "+ - y"]),
        ("a\nb\n", "a\nb", None),
    ],
)
def test_two_values_that_differ_look_different(before: Any, after: Any, told: Any) -> None:
    """A difference that cannot be seen is approved."""
    made = lines(before, after)
    if told is None:
        assert {line[0] for line in made} & {"-", "+"}
    else:
        assert [line.replace("-b", "- b").replace("+b", "+ b").replace("  a", "  a")
                if line[1:2] != " " else line for line in made] == told  # fmt: skip


def test_long_values_are_shown_where_they_part() -> None:
    """Both begin alike for longer than what is shown."""
    old, new = lines("x" * 5000 + "old" + "y" * 900, "x" * 5000 + "new" + "y" * 900)
    assert "old" in old
    assert "new" in new
    assert old.endswith("… (5,903 characters)")


def test_a_text_is_shown_around_its_difference_with_the_number_of_the_line() -> None:
    text = [f"line {number}" for number in range(3000)]
    other = [*text[:2000], "inserted", *text[2000:]]
    assert lines("\n".join(text), "\n".join(other)) == [
        "  … line 1998",
        "  line 1997", "  line 1998", "  line 1999",
        "+ inserted",
        "  line 2000", "  line 2001", "  line 2002",
    ]  # fmt: skip


def test_a_long_difference_keeps_both_ends() -> None:
    old, new = ("\n".join(f"{word} {n}" for n in range(4000)) for word in ("old", "new"))
    made = lines(old, new)
    assert len(made) <= FULL.text + 1
    assert made[0] == "- old 0"
    assert made[-1] == "+ new 3999"
    assert any("more lines" in line for line in made)


def test_a_property_that_makes_the_resource_new_says_so() -> None:
    field = FieldChange(path="spec.selector", before=1, after=2, replaces=True)
    assert field_lines(field, FULL)[0] == "@@ spec.selector @@  replaces the resource"


def test_a_path_is_one_line() -> None:
    field = FieldChange(path='data["a\nb@@\u202e"]', before=1, after=2)
    assert field_lines(field, FULL)[0] == '@@ data["a\\nb@@\\u{202e}"] @@'


def test_an_object_is_written_in_the_manner_of_yaml() -> None:
    content = {"a": {"b": [1, {"c": "x\ny"}]}, "e": {}, "f": "yes"}
    assert list(tree(content)) == [
        "a:", "  b:", "    - 1", "    -", "      c: |", "        x", "        y", "e: {}",
        'f: "yes"',
    ]  # fmt: skip
    assert scalar("cr.l5d.io/x:y") == "cr.l5d.io/x:y"


@pytest.mark.parametrize(
    ("field", "key"),
    [
        (CHART, "helm.sh/chart"),
        (CHECKSUM, "checksum/config of the pod template"),
        (REPLICAS, None),
        (CHART.model_copy(update={"replaces": True}), None),
        (FieldChange(path='spec.selector.matchLabels["helm.sh/chart"]'), None),
        (FieldChange(path='spec.selector.labels["helm.sh/chart"]'), None),
        (FieldChange(path="data.checksum/config"), None),
        (FieldChange(path='metadata.labels["linkerd.io/inject"]'), None),
        (FieldChange(path="metadata.labels"), None),
    ],
)
def test_churn_is_what_says_nothing_and_no_more(field: FieldChange, key: str | None) -> None:
    """What selects, permits or configures is always shown."""
    assert churn.churn_key(field) == key


def test_resources_in_which_only_churn_changes_are_one_line() -> None:
    quiet = [samples.change("Role", f"ns/r{n}", Op.UPDATE, CHART) for n in range(20)]
    loud = samples.change("Deployment", "ns/d", Op.UPDATE, CHART, REPLICAS)
    restarting = samples.change("Deployment", "ns/e", Op.UPDATE, CHECKSUM)
    made = blocks(*quiet, loud, restarting)
    assert [block.title.split("<")[0] for block in made[:2]] == ["update ", "update "]
    assert len(made) == 3
    assert made[2].title.startswith("20 x update of chart labels and checksums alone")
    assert "<code>20 x helm.sh/chart</code>" in made[2].title
    assert made[2].title.endswith("and 8 more")
    assert "  … and 1 x helm.sh/chart" in made[0].lines
    assert made[1].lines == ("  … and 1 x checksum/config of the pod template",)


@pytest.mark.parametrize("reason", ["protected", "finding"])
def test_churn_that_somebody_should_see_is_not_folded(reason: str) -> None:
    change = samples.change("Role", "ns/r", Op.UPDATE, CHART, protected=reason == "protected")
    found = [samples.finding(Level.HIGH, "it matters", change)] if reason == "finding" else []
    (block,) = blocks(change, found=found)
    assert "chart labels and checksums alone" not in block.title


def test_the_title_says_what_happens_and_what_protects() -> None:
    (gone,) = blocks(samples.change("Namespace", "linkerd", Op.DELETE, protected=True,
                                    retained=True))  # fmt: skip
    assert gone.title == ("delete <code>Namespace linkerd</code> (protected, stays in the cluster)")
    assert gone.lines[0] == "- apiVersion: v1"
    (unknown,) = blocks(samples.change("ConfigMap", "a/b"))
    assert unknown.title.endswith("(its properties are unknown)")


def test_amounts_shorten_and_never_drop_a_property_without_naming_it() -> None:
    fields = [FieldChange(path=f"data.k{n}", before="x", after="y" * 300) for n in range(60)]
    change = samples.change("ConfigMap", "ns/x", Op.UPDATE, *fields)
    (brief,) = blocks(change, amount=BRIEF)
    assert brief.lines[0] == "@@ data.k0 @@"
    assert brief.lines[-1].startswith("  … also: data.k40, data.k41")
    (listed,) = blocks(change, amount=LISTED)
    assert not listed.lines
    assert "60 properties: <code>data.k0, data.k1" in listed.title
    assert "and 40 more" in listed.title
    (new,) = blocks(samples.change("ConfigMap", "ns/x", Op.CREATE), amount=BRIEF)
    assert not new.lines


def test_resources_that_change_in_the_same_way_are_shown_once_with_every_name() -> None:
    """A new label on everything is one thing to read, not two hundred."""
    label = FieldChange(path='metadata.labels["example/owner"]', after="team")
    same = [samples.change("Role", f"ns/r{n:02}", Op.UPDATE, label) for n in range(30)]
    other = samples.change("Role", "ns/x", Op.UPDATE, label.model_copy(update={"after": "Team"}))
    risky, guarded = (
        samples.change("Role", f"ns/{name}", Op.UPDATE, label, protected=name == "guarded")
        for name in ("risky", "guarded")
    )
    found = [samples.finding(Level.HIGH, "it matters", risky)]
    made = blocks(*same, other, risky, guarded, found=found)
    titles = [block.title for block in made]
    assert titles[0].startswith("<b>HIGH</b> update <code>Role ns/risky")
    assert titles[1].startswith("update <code>Role ns/guarded")
    assert titles[2] == "update of <code>30 x Role</code>, all alike (1 property)"
    assert titles[3].startswith("update <code>Role ns/x")
    assert made[2].lines[:2] == ('@@ metadata.labels["example/owner"] @@', "+ team")
    assert made[2].lines[2:] == tuple(f"  Role ns/r{n:02}" for n in range(30))


def test_too_much_is_given_up_early() -> None:
    assert details.sections(samples.many(50), (), FULL, most=1000) is None
