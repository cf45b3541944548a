"""The report: its outcome, its words, and the set of changes that it comes to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, FieldChange, Op
from bot.changes.rules import Level
from bot.exit_codes import CHANGES_PENDING, DONE, FAILED
from bot.mesh.drift.as_changes import NOT_READ, changes
from bot.mesh.drift.report import Added, DriftReport, StackDrift, Undeclared, document
from bot.mesh.drift.text import lines

URN = "urn:pulumi:staging::linkerd-platform::kubernetes:apps/v1:Deployment::web"
WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "linkerd"},
}
CHANGED = Change(
    urn=URN,
    type="kubernetes:apps/v1:Deployment",
    name="web",
    component="linkerd",
    op=Op.UPDATE,
    fields=(FieldChange(path="spec.replicas", before=3, after=1),),
    before=WEB,
    after=WEB,
)
SECRET = Undeclared(
    subject="Secret linkerd/extra",
    api_version="v1",
    kind="Secret",
    namespace="linkerd",
    name="extra",
    level=Level.HIGH,
    reason="keys or credentials that nobody rotates",
    created="2026-11-01T10:00:00Z",
    managers=("kubectl-create",),
    children={"Pod": 2},
)
FIELD = Added(
    urn=f"{URN}-2",
    subject="Deployment.apps linkerd/other",
    api_version="apps/v1",
    kind="Deployment",
    namespace="linkerd",
    name="other",
    level=Level.HIGH,
    manager="kubectl-edit",
    time="2026-11-01T10:00:00Z",
    paths=tuple(f"spec.f{n}" for n in range(8)),
)
TRACKED = ChangeSet(stack="staging", source="drift", changes=(CHANGED,), unchanged=7)
CLEAN = StackDrift(stack="trust", tracked=ChangeSet(stack="trust", source="drift", unchanged=9))
DRIFT = StackDrift(
    stack="staging",
    tracked=TRACKED,
    writers={URN: "kubectl-edit at noon"},
    added=(FIELD,),
    undeclared=(SECRET,),
)
OPEN = StackDrift(
    stack="production",
    tracked=ChangeSet(stack="production", source="drift", doubts=("half of it",)),
    errors=("https://k does not answer: log in",),
)


@pytest.mark.parametrize(
    ("stacks", "code"),
    [
        ([CLEAN], DONE),
        ([CLEAN, DRIFT], CHANGES_PENDING),
        ([DRIFT, OPEN], FAILED),
        ([CLEAN, OPEN], FAILED),
    ],
)
def test_the_exit_code_is_that_of_the_worst_stack(stacks: list[StackDrift], code: int) -> None:
    """Drift that was found is less bad than drift that could not be looked for."""
    assert DriftReport(stacks=tuple(stacks)).exit_code == code


@pytest.mark.parametrize(
    "change",
    [
        {"errors": ("x",)},
        {"unlisted": {"Secret": "forbidden"}},
        {"tracked": ChangeSet(stack="s", source="drift", doubts=("x",))},
        {"tracked": ChangeSet(stack="s", source="drift", errors=("x",))},
    ],
)
def test_a_doubt_is_no_clean_bill(change: dict[str, Any]) -> None:
    """Nobody reads the fine print of `no drift`."""
    assert CLEAN.model_copy(update=change).outcome == "undetermined"


@pytest.mark.parametrize(
    "one",
    [{"tracked": TRACKED}, {"added": (FIELD,)}, {"undeclared": (SECRET,)}],
)
def test_each_kind_of_drift_is_drift(one: dict[str, Any]) -> None:
    """Any of them alone."""
    assert CLEAN.model_copy(update=one).outcome == "drift"


def test_the_report_comes_back_from_its_document() -> None:
    """Another job reads it; what it does not know it must refuse."""
    made = DriftReport(stacks=(CLEAN, DRIFT, OPEN))
    text = json.dumps(document(made))
    assert [each["outcome"] for each in json.loads(text)["stacks"]] == [
        "none",
        "drift",
        "undetermined",
    ]
    whole = json.loads(text)
    for each in whole["stacks"]:
        each.pop("outcome")
    assert DriftReport.model_validate_json(json.dumps(whole)) == made
    with pytest.raises(ValueError, match="extra"):
        DriftReport.model_validate({**whole, "more": 1})


def told(*stacks: StackDrift) -> str:
    return "\n".join(lines(DriftReport(stacks=stacks)))


def test_a_clean_stack_is_one_line() -> None:
    """With how much was looked at: none of nothing is no news."""
    assert told(CLEAN) == "trust: no drift, 9 resources looked at in 0 s"


def test_drift_is_told_with_what_who_and_what_next() -> None:
    """The line is all that who is on call has at night."""
    text = told(DRIFT)
    assert "staging: drift: 2 tracked, 1 undeclared" in text
    assert "changed     Deployment linkerd/web, last written by kubectl-edit at noon" in text
    assert "spec.replicas: 3 -> 1" in text
    assert (
        "high      undeclared  Secret linkerd/extra, created 2026-11-01T10:00:00Z by "
        "kubectl-create (with 2 Pod made from it): keys or credentials" in text
    )
    assert "kubectl-edit at 2026-11-01T10:00:00Z set spec.f0" in text
    assert "and 2 more" in text
    assert "python -m bot up --stack staging --refresh" in text
    assert "remove it by hand" in text


def test_the_worst_comes_first() -> None:
    """A CRD that is gone must not stand below a label."""
    gone = CHANGED.model_copy(
        update={
            "urn": f"{URN}-crd",
            "type": "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
            "op": Op.DELETE,
            "fields": (),
            "before": {"kind": "CustomResourceDefinition", "metadata": {"name": "servers"}},
            "after": None,
        }
    )
    both = TRACKED.model_copy(update={"changes": (CHANGED, gone)})
    text = told(DRIFT.model_copy(update={"tracked": both}))
    assert text.index("gone        CustomResourceDefinition servers") < text.index("linkerd/web")


def test_what_helm_has_to_put_back_is_not_left_to_an_update() -> None:
    """An unchanged release is not upgraded, so `up` would change nothing."""
    text = told(DRIFT.model_copy(update={"helm": {URN: "kube-system/linkerd-crds"}}))
    assert "helm -n kube-system get manifest linkerd-crds | kubectl apply --server-side" in text
    assert "--refresh" not in text


def test_what_could_not_be_determined_is_one_line_with_why() -> None:
    """The doubts that follow from the error would only repeat it."""
    text = told(OPEN)
    assert text.splitlines() == [
        "production: could not be determined: 0 tracked, 0 undeclared, in 0 s",
        "  error: https://k does not answer: log in",
    ]
    assert "half of it" in told(OPEN.model_copy(update={"errors": ()}))
    forbidden = {"Secret in linkerd": "forbidden to this account"}
    assert "could not be looked at: Secret in linkerd: forbidden" in told(
        CLEAN.model_copy(update={"unlisted": forbidden})
    )


def test_all_of_it_is_a_set_of_changes() -> None:
    """Comments and risk rules read nothing else."""
    made = changes(DRIFT)
    assert made.source == "drift"
    assert [(each.op, each.kind, each.place) for each in made.changes] == [
        (Op.UPDATE, "Deployment", "linkerd/web"),
        (Op.UPDATE, "Deployment", "linkerd/other"),
        (Op.CREATE, "Secret", "linkerd/extra"),
    ]
    assert made.changes[1].fields[0] == FieldChange(path="spec.f0", after=NOT_READ)
    assert made.warnings[0].startswith("high, undeclared: Secret linkerd/extra, created")
    assert made.warnings[1].startswith("high, undeclared: Deployment.apps linkerd/other: kubectl")
    assert ChangeSet.model_validate_json(made.model_dump_json()) == made


def test_what_is_open_is_no_complete_set() -> None:
    """The risk rules then call it critical."""
    assert not changes(OPEN).complete
    forbidden = CLEAN.model_copy(update={"unlisted": {"Secret": "forbidden"}})
    assert changes(forbidden).doubts == ("Secret: forbidden",)
    assert changes(CLEAN).complete
