"""Changes of many namespaces are told by namespace, and everything else as before."""

from __future__ import annotations

import re

from bot.changes.model import Change, ChangeSet, Op
from bot.changes.rules import Level
from bot.comments import grouped
from bot.comments.render import render
from bot.comments.values import BRIEF
from tests.unit import comment_samples as samples
from tests.unit.test_comments_render import GITHUB_LIMIT

KINDS = ("Server", "HTTPRoute", "HTTPRoute", "AuthorizationPolicy")
SERVICES = 4
_TYPE = "linkerd-platform:policy:ServicePolicy$kubernetes:policy.linkerd.io/v1beta3:Server"


def policies(namespaces: int, op: Op = Op.CREATE) -> ChangeSet:
    """So many namespaces with four services each, and an object that is elsewhere."""
    made: list[Change] = []
    for number in range(namespaces):
        for service in range(SERVICES):
            for at, kind in enumerate(KINDS):
                name = f"team-{number:03}/service-{service}-{at}"
                each = samples.change(kind, name, op, component=f"policy-{number}/{service}")
                made.append(each.model_copy(update={"urn": f"{samples.URN}{_TYPE}::{name}"}))
    other = samples.change("ConfigMap", "linkerd/other", Op.CREATE)
    return ChangeSet(stack="production", source="plan", changes=(*made, other))


def test_500_namespaces_with_2000_services_are_read_in_a_few_comments() -> None:
    """One by one they would be a hundred comments, which nobody reads."""
    changes = policies(500)
    servers = [each for each in changes.changes if each.kind == "Server"]
    found = [samples.finding(Level.HIGH, "a Server denies", each) for each in servers]
    made = render(changes, found, samples.impact(), samples.RUN)
    whole = "".join(made)
    assert len(changes.changes) == 500 * SERVICES * len(KINDS) + 1
    assert len(made) <= 2
    assert all(len(part.encode()) < GITHUB_LIMIT for part in made)
    assert grouped.NOTE in made[0]
    assert "<b><code>ServicePolicy</code></b>: 8,000 create</summary>" in whole
    assert "<b>HIGH</b> in 500 namespaces" in whole
    line = "create 4 AuthorizationPolicy, create 8 HTTPRoute, create 4 Server"
    assert len(re.findall(rf"^team-\d\d\d: {line}$", whole, re.MULTILINE)) == 500
    # What is not alike is told by itself.
    assert "create <code>ConfigMap linkerd/other</code>" in whole


def test_an_update_that_is_unlike_the_others_is_told_by_itself() -> None:
    """Among 2,000 that change alike, the one that opens a door is what the review is for."""
    usual = samples.FieldChange(path="spec.accessPolicy", before="audit", after="deny")
    odd = samples.FieldChange(path="spec.accessPolicy", before="audit", after="all-unauthenticated")
    made = policies(500, Op.UPDATE)
    changes = [each.model_copy(update={"fields": (usual,)}) for each in made.changes]
    changes[4321] = changes[4321].model_copy(update={"fields": (odd,)})
    found = [samples.finding(Level.HIGH, "it changes", each) for each in changes]
    parts = render(
        made.model_copy(update={"changes": tuple(changes)}), found, samples.impact(), samples.RUN
    )
    whole = "".join(parts)
    assert len(parts) <= 2
    assert "7,999 update</summary>" in whole
    assert f"update <code>{changes[4321].kind} {changes[4321].place}</code>" in whole
    assert '+ "all-unauthenticated"' in whole or "+ all-unauthenticated" in whole


def test_few_namespaces_are_told_one_by_one() -> None:
    """A reviewer of one team's policy wants to see it."""
    assert grouped.sections(policies(19), (), BRIEF, most=10**6) is None
    assert grouped.sections(policies(20), (), BRIEF, most=10**6) is not None
    small = render(policies(2), (), samples.impact(), samples.RUN)
    assert grouped.NOTE not in small[0]
    assert "Server team-001/service-3-0" in "".join(small)


def test_what_cannot_be_grouped_into_the_room_is_not() -> None:
    """Then the next form of the details has its turn."""
    assert grouped.sections(policies(20), (), BRIEF, most=1) is None
