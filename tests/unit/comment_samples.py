"""Change sets, findings and answers for the tests of comments, and for the page of the docs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.changes.impact import Impact
from bot.changes.model import Change, ChangeSet, ChartMove, FieldChange, Op, Violation
from bot.changes.rules import Level, RiskFinding
from bot.comments.marker import CommentRun

COMMIT = "1f0c6a2b9d3e4f5061728394a5b6c7d8e9f00112"
RUN = CommentRun(COMMIT, datetime(2026, 11, 20, 9, 30, tzinfo=UTC))
URN = "urn:pulumi:production::linkerd-platform::"


def change(
    kind: str,
    place: str,
    op: Op = Op.UPDATE,
    *fields: FieldChange,
    component: str = "control-plane",
    content: Mapping[str, Any] | None = None,
    **flags: bool,
) -> Change:
    """A Kubernetes object that changes; `place` is `<namespace>/<name>` or a name."""
    namespace, _, name = place.rpartition("/")
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    inputs = {"apiVersion": "v1", "kind": kind, "metadata": metadata, **(content or {})}
    type_ = f"kubernetes:core/v1:{kind}"
    return Change(
        urn=f"{URN}{type_}::{place}",
        type=type_,
        name=name,
        component=component,
        op=op,
        fields=fields,
        before=None if op is Op.CREATE else inputs,
        after=None if op is Op.DELETE else inputs,
        **flags,
    )


def finding(level: Level, reason: str, about: Change | None = None) -> RiskFinding:
    """A finding about a change, or about the set as a whole."""
    subject = f"{about.kind} {about.place}" if about else "the whole set"
    return RiskFinding(level, "sample-rule", reason, about.urn if about else None, subject)


def impact(**answers: Any) -> Impact:
    """Answers; those that are not given are `nothing`."""
    nothing: dict[str, Any] = {
        "restarts": (), "reissued": (), "need_restart": (), "denied": (), "touched": {},
        "moves": (),
    }  # fmt: skip
    return Impact(**{**nothing, **answers})


def many(count: int, lines: int = 1, op: Op = Op.UPDATE) -> ChangeSet:
    """A set of that many ConfigMaps, each with a text of so many lines."""
    before, after = ("\n".join(f"{word} {n}" for n in range(lines)) for word in ("old", "new"))

    def fields(number: int) -> list[FieldChange]:
        text = FieldChange(path="data.text", before=before, after=f"{after} of {number}")
        return [text] if op is Op.UPDATE else []

    return ChangeSet(
        stack="production",
        source="preview",
        changes=tuple(
            change(
                "ConfigMap", f"emojivoto/settings-{n:04}", op,
                *fields(n),
                component=f"component-{n % 7}", content={"data": {"text": after}},
            )
            for n in range(count)
        ),
    )  # fmt: skip


def visible(body: str) -> list[str]:
    """The lines of a comment that a reader sees before unfolding anything, empty ones included."""
    shown, depth = [], 0
    for line in body.splitlines():
        if depth == 0 and not line.startswith("<!--"):
            shown.append(line)
        depth += line.count("<details") - line.count("</details>")
    return shown


def upgrade() -> tuple[ChangeSet, tuple[RiskFinding, ...], Impact]:
    """What a pull request with a new version of the control plane's chart comes to."""
    image = "spec.template.spec.containers[0].image"
    template = 'spec.template.metadata.annotations["linkerd.io/created-by"]'
    label = 'metadata.labels["helm.sh/chart"]'
    identity, destination = (
        change(
            "Deployment", f"linkerd/linkerd-{name}", Op.UPDATE,
            FieldChange(path=image, before=f"cr.l5d.io/linkerd/{program}:edge-26.10.3",
                  after=f"cr.l5d.io/linkerd/{program}:edge-26.11.2"),
            FieldChange(path=template, before="linkerd/helm edge-26.10.3",
                  after="linkerd/helm edge-26.11.2"),
        )
        for name, program in (("identity", "controller"), ("destination", "controller"))
    )  # fmt: skip
    config = change(
        "ConfigMap", "linkerd/linkerd-config", Op.UPDATE,
        FieldChange(path="data.values",
              before="proxy:\n  logLevel: warn\n  version: edge-26.10.3\n",
              after="proxy:\n  logLevel: warn\n  version: edge-26.11.2\n"),
    )  # fmt: skip
    accounts = tuple(
        change(
            "ServiceAccount", f"linkerd/linkerd-{name}", Op.UPDATE,
            FieldChange(path=label, before="linkerd-control-plane-2026.10.3",
                  after="linkerd-control-plane-2026.11.2"),
        )
        for name in ("destination", "heartbeat", "identity", "proxy-injector")
    )  # fmt: skip
    crd = change(
        "CustomResourceDefinition", "httproutes.policy.linkerd.io", Op.UPDATE,
        FieldChange(path="spec.versions[3].served", before=True, after=False),
        component="linkerd-crds", protected=True,
    )  # fmt: skip
    budget = change(
        "PodDisruptionBudget", "linkerd/linkerd-policy", Op.CREATE,
        content={"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "policy"}}}},
    )  # fmt: skip
    changes = ChangeSet(
        stack="production",
        source="preview",
        changes=(identity, destination, config, *accounts, crd, budget),
        moves=(ChartMove(chart="linkerd-control-plane", before="2026.10.3", after="2026.11.2"),),
        violations=(
            Violation(
                policy="high-availability", level="advisory", urn=budget.urn,
                message="a budget of one pod lets a node drain slowly",
            ),
        ),
        unchanged=231,
        seconds=42,
        commit=COMMIT,
        base="main",
    )  # fmt: skip
    findings = (
        finding(
            Level.CRITICAL, "a version of a CRD is no longer served: requests for it fail", crd
        ),
        finding(
            Level.HIGH,
            "new pods get another proxy; running pods keep theirs until they restart",
            config,
        ),
        *(finding(
            Level.MEDIUM,
            "pods of the control plane restart, a few at a time",
            each,
        ) for each in (identity, destination)),
        *(finding(Level.LOW, "only labels and annotations change", each) for each in accounts),
        finding(Level.LOW, "created", budget),
    )  # fmt: skip
    answers = impact(
        restarts=("linkerd-identity (3 replicas)", "linkerd-destination (3 replicas)"),
        need_restart=(
            "every meshed pod keeps its proxy until it restarts (the control plane's chart moves)",
        ),
        touched={"CRDs": ("httproutes.policy.linkerd.io (update)",), "namespaces": ()},
    )
    return changes, findings, answers
