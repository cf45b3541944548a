"""What a reviewer reads first, and that nothing of it can be missed."""

from __future__ import annotations

import re

import pytest

from bot.changes.model import ChangeSet, ChartMove, Op, Violation
from bot.changes.risk import assess
from bot.changes.rules import Level
from bot.comments import marker
from bot.comments.render import MOST_PARTS, render
from bot.comments.split import LIMIT
from tests.unit import comment_samples as samples

GITHUB_LIMIT = 65_536


def heading(changes: ChangeSet, *found: object) -> str:
    (first, *_) = render(changes, found, samples.impact(), samples.RUN)  # type: ignore[arg-type]
    return first.splitlines()[2]


def sample(**values: object) -> ChangeSet:
    return ChangeSet(**{"stack": "production", "source": "preview", "unchanged": 3, **values})


ONE = samples.change("ConfigMap", "ns/x")
BREACH = Violation(policy="p", level="mandatory", urn="a::b", message="m")


@pytest.mark.parametrize(
    ("changes", "level", "told"),
    [
        (sample(), None, "no changes"),
        (sample(source="drift"), None, "no drift"),
        (sample(changes=(ONE,)), Level.LOW, "LOW risk, 1 change"),
        (sample(changes=(ONE,)), Level.HIGH, "HIGH risk, 1 change"),
        (sample(doubts=("d",)), Level.LOW, "preview INCOMPLETE, CRITICAL risk, 0 changes"),
        (sample(doubts=("d",)), None, "preview INCOMPLETE, CRITICAL risk, 0 changes"),
        (sample(errors=("e",), changes=(ONE,)), None, "preview FAILED, CRITICAL risk, 1 change"),
        (sample(errors=("e",), source="plan"), None, "plan FAILED, CRITICAL risk, 0 changes"),
        (sample(violations=(BREACH,)), None, "policy VIOLATED, 0 changes"),
        (sample(moves=(ChartMove(chart="c", before="1", after="2"),)), None, "0 changes"),
    ],
)
def test_the_heading_is_the_verdict(changes: ChangeSet, level: Level | None, told: str) -> None:
    """What is not the whole truth is never less than critical, and never `no changes`."""
    found = [samples.finding(level, "reason", ONE)] if level else []
    assert heading(changes, *found) == f"### production: {told}"


def test_every_question_has_its_line_in_the_same_order() -> None:
    (body,) = render(*samples.upgrade(), samples.RUN)
    asked = re.findall(r"^- \*\*(.*?)\*\*: ", body, re.MULTILINE)
    assert asked == [
        "Risk",
        "Restarts",
        "Certificates re-issued",
        "Callers that may lose access",
        "Next",
        "Pods to restart for this to take effect",
        "CRDs, namespaces, anchors, PKI, webhooks, providers",
        "Chart versions",
    ]
    assert "**Restarts**: linkerd-identity, linkerd-destination (3 replicas each)\n" in body
    assert "- **Chart versions**: linkerd-control-plane 2026.10.3 to 2026.11.2\n" in body
    assert "- **Callers that may lose access**: none\n" in body


def test_of_what_was_not_looked_at_nobody_says_none() -> None:
    changes = sample(changes=(ONE,), doubts=("it stopped half-way",))
    (body,) = render(changes, (), samples.impact(), samples.RUN)
    answers = re.findall(r"^- \*\*.*?\*\*: (.*)$", body, re.MULTILINE)
    assert answers[1:4] == ["none seen"] * 3
    assert answers[0].startswith("CRITICAL: ")
    assert answers[4].startswith("do not apply it: ")
    assert "**Why this result is incomplete**\n- it stopped half-way\n" in body
    assert ": none\n" not in body


def test_no_changes_is_short() -> None:
    (body,) = render(sample(seconds=12), (), samples.impact(), samples.RUN)
    assert body.splitlines()[2:] == [
        "### production: no changes",
        "",
        "Preview of `1f0c6a2b9d3e`: 3 unchanged, in 12 s.",
    ]


def test_a_failure_shows_every_line_of_the_error() -> None:
    """Its end is often what tells; the summary has no room for it."""
    error = "\n".join(f"line {number} of the error" for number in range(80))
    (body,) = render(sample(errors=(error,)), (), samples.impact(), samples.RUN)
    assert "\nline 79 of the error\n" in body
    assert body.index("**What went wrong**") < body.index("line 79 of the error")


def test_findings_of_one_reason_are_one_line_and_the_worst_is_first() -> None:
    changes = samples.many(12)
    found = [samples.finding(Level.LOW, "text changes", each) for each in changes.changes]
    found.append(samples.finding(Level.HIGH, "it matters", changes.changes[7]))
    (body,) = render(changes, found, samples.impact(), samples.RUN)
    assert re.findall(r"^- \*\*[A-Z]+\*\* .*", body, re.MULTILINE) == [
        "- **HIGH** it matters: `ConfigMap emojivoto/settings-0007`",
        "- **LOW** text changes: 12 x `ConfigMap`",
    ]


def test_the_resource_with_the_highest_risk_comes_first() -> None:
    changes = samples.many(12)
    found = [samples.finding(Level.HIGH, "it matters", changes.changes[9])]
    (body,) = render(changes, found, samples.impact(), samples.RUN)
    names = re.findall(r"ConfigMap emojivoto/(settings-\d+)</code>", body)
    assert names[0] == "settings-0009"
    assert len(names) == 12
    assert "<summary><b>HIGH</b> update <code>ConfigMap emojivoto/settings-0009</code>" in body
    assert "\n! HIGH it matters\n" in body


def test_what_the_summary_shortens_is_in_full_below() -> None:
    denied = tuple(f"pods of namespace team-{number}" for number in range(40))
    violations = tuple(
        Violation(policy=f"rule-{n}", level="advisory", urn="a::b", message="m") for n in range(40)
    )
    changes = sample(changes=(ONE,), violations=violations)
    (body,) = render(changes, (), samples.impact(denied=denied), samples.RUN)
    assert "team-5 and 34 more\n" in body
    assert "\npods of namespace team-39\n" in body
    assert "- and 30 more, in full below\n" in body
    assert "\nMEDIUM rule-39: m\n  b\n" in body


def test_a_broken_policy_is_no_risk_besides() -> None:
    """The same thing three times is read as three things."""
    broken = tuple(
        Violation(policy="p", level="mandatory", urn=f"a::{n}", message=f"Role ns/{n}: it is bad")
        for n in range(9)
    )
    changes = sample(violations=broken)
    (body,) = render(changes, assess(changes), samples.impact(), samples.RUN)
    shown = "\n".join(samples.visible(body))
    assert shown.count("it is bad") == 1
    assert "9 x `Role`" in shown
    assert "**Risk**\n" not in shown
    assert "- **Risk**: CRITICAL: 1 mandatory policy broken\n" in shown
    assert all(f"\n  Role ns/{n}\n" in body for n in range(9))


def test_a_mandatory_violation_is_above_an_advisory_one() -> None:
    soft = Violation(policy="soft", level="advisory", urn="a::b", message="m")
    (body,) = render(sample(violations=(soft, BREACH)), (), samples.impact(), samples.RUN)
    assert body.index("**mandatory** `p`") < body.index("**advisory** `soft`")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (samples.many(300), None),
        (samples.many(2000), None),
        (samples.many(1000, 30), "long values cut"),
        (samples.many(2000, 20, Op.CREATE), "long values cut"),
        (samples.many(2000, 30), "without their values"),
        (samples.many(20_000), "counted"),
    ],
)
def test_a_large_set_is_split_and_loses_no_resource(changes: ChangeSet, note: str | None) -> None:
    made = render(changes, (), samples.impact(), samples.RUN)
    whole = "".join(made)
    assert ("shortened" in made[0]) == (note is not None)
    assert note is None or note in made[0]
    if note != "counted":
        names = re.findall(r"ConfigMap emojivoto/(settings-\d+)</code>", whole)
        assert len(set(names)) == len(changes.changes)
    for number, part in enumerate(made, start=1):
        assert len(part.encode()) < LIMIT + 2000 < GITHUB_LIMIT
        read = marker.read(part)
        assert read
        assert (read.stack, read.part, read.commit) == ("production", number, samples.COMMIT)
        assert len(made) == 1 or f" ({number}/{len(made)})\n" in part
        assert part.count("<details") == part.count("</details>")
        assert part.count("```") % 2 == 0
    assert len(made) <= MOST_PARTS


def test_one_resource_that_is_too_long_is_continued() -> None:
    """A text of which every line is as long as may be, many times over."""
    fields = tuple(
        samples.FieldChange(path=f"data.key-{n}", before="é" * 500, after="ü" * 500)
        for n in range(400)
    )
    changes = sample(changes=(samples.change("ConfigMap", "ns/x", Op.UPDATE, *fields),))
    made = render(changes, (), samples.impact(), samples.RUN)
    assert len(made) > 1
    assert "(continued)" in made[1]
    assert "key-0 @@" in made[0]
    assert all(len(part.encode()) < GITHUB_LIMIT for part in made)


def test_the_first_part_is_bounded_whatever_is_said() -> None:
    long = tuple(f"{number} " + "\U0001f600 \u202e" * 500 for number in range(30))
    found = [samples.finding(Level.CRITICAL, text, ONE) for text in long]
    answers = samples.impact(restarts=long, denied=long, touched=dict.fromkeys(long, long[:3]))
    broken = tuple(
        Violation(policy=f"rule-{n}", level="mandatory", urn="a::b", message=text)
        for n, text in enumerate(long)
    )
    changes = sample(changes=(ONE,), errors=long[:9], doubts=long[:9], violations=broken)
    made = render(changes, found, answers, samples.RUN)
    assert len(samples.visible(made[0])) <= 60
    assert all(len(part.encode()) < GITHUB_LIMIT for part in made)
    assert "**Risk**" in made[0]


@pytest.mark.parametrize("what", ["errors", "components"])
def test_there_are_never_more_than_thirty_comments(what: str) -> None:
    """Who writes a plan for a fork's pull request could fill its page, a comment each second."""
    if what == "errors":
        changes = sample(errors=("x" * 59_000,) * 40)
    else:
        named = (samples.change("ConfigMap", f"ns/x-{n}") for n in range(20_000))
        changes = sample(
            changes=tuple(
                each.model_copy(update={"component": f"{n}-" + "y" * 120})
                for n, each in enumerate(named)
            )
        )
    made = render(changes, (), samples.impact(), samples.RUN)
    assert len(made) <= 30
    assert all(len(part.encode()) < GITHUB_LIMIT for part in made)
    told = "more parts are left out" if what == "errors" else "more components: "
    assert told in made[-1]
