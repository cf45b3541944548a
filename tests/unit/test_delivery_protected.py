"""What cannot be had back, or locks callers out, needs its own flag."""

from __future__ import annotations

from typing import Any

import pytest

from bot.changes.model import Change, Op
from bot.deploy import protected
from bot.deploy.protected import Action
from bot.exit_codes import RefusedError
from bot.text.hidden_values import UNKNOWN
from tests.unit.delivery_samples import change, change_set, fields

_TRUST = "urn:pulumi:s::linkerd-platform::linkerd-platform:trust:TrustBundle$kubernetes:x:Bundle::b"


def _actions(*changes: Change) -> list[str]:
    return [need.action.value for need in protected.needs(change_set(*changes))]


def _bundle(*names: str) -> dict[str, Any]:
    sources = [{"secret": {"name": name, "key": "ca.crt"}} for name in names]
    return {"kind": "Bundle", "metadata": {"name": "roots"}, "spec": {"sources": sources}}


def _policy(before: Any, after: Any) -> Change:
    def inputs(value: Any) -> dict[str, Any]:
        return {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"values": value}}

    return change(kind="ConfigMap", before=inputs(before), after=inputs(after))


@pytest.mark.parametrize("op", [Op.DELETE, Op.REPLACE])
@pytest.mark.parametrize(
    ("kind", "action"),
    [("CustomResourceDefinition", "crd"), ("Namespace", "namespace"), ("", "anchor")],
)
def test_what_takes_others_along_needs_its_flag(op: Op, kind: str, action: str) -> None:
    """A CRD takes its objects along, a namespace what is in it, a mount every anchor."""
    assert _actions(change(op, kind=kind)) == [action]


@pytest.mark.parametrize("kind", ["CustomResourceDefinition", "Namespace", "", "Deployment"])
def test_creation_and_update_need_no_flag(kind: str) -> None:
    """A flag that every change needs is a flag that everybody always gives."""
    assert _actions(change(Op.CREATE, kind=kind), change(Op.UPDATE, kind=kind)) == []


def test_release_of_crds_counts_as_its_crds() -> None:
    """CRDs are installed by Helm releases: their own kind is not among the changes."""
    release = {"type": "kubernetes:helm.sh/v3:Release", "urn": "urn:pulumi:s::p::linkerd::x"}
    assert _actions(change(Op.DELETE, name="linkerd-crds", **release)) == ["crd"]
    assert _actions(change(Op.DELETE, name="linkerd-buoyant", **release)) == []


def test_retired_generation_is_an_update_that_removes_trust() -> None:
    """The Bundle stays; the certificates of pods that have not restarted end with its source."""
    both, one = _bundle("old", "new"), _bundle("new")
    retire = change(kind="Bundle", before=both, after=one)
    add = change(kind="Bundle", before=one, after=both)
    assert _actions(retire) == ["anchor"]
    assert "old" in protected.needs(change_set(retire))[0].why
    assert _actions(add) == []


def test_object_of_the_trust_that_goes_counts_as_anchor() -> None:
    """By the component it belongs to: its own kind says nothing."""
    assert _actions(change(Op.DELETE, kind="ExternalSecret", urn=_TRUST)) == ["anchor"]


@pytest.mark.parametrize(
    ("before", "after", "needed"),
    [
        ("defaultInboundPolicy: all-unauthenticated", "defaultInboundPolicy: deny", True),
        ("", 'defaultInboundPolicy: "cluster-authenticated"', True),
        ("--default-policy=all-unauthenticated", "--default-policy=all-authenticated", True),
        ("", "defaultInboundPolicy: never-heard-of", True),
        ("defaultInboundPolicy: deny", "defaultInboundPolicy: deny", False),
        ("defaultInboundPolicy: deny", "defaultInboundPolicy: all-unauthenticated", False),
        ("", "defaultInboundPolicy: all-unauthenticated", False),
    ],
)
def test_stricter_default_policy_needs_its_flag(before: str, after: str, needed: bool) -> None:
    """Every caller outside the mesh is refused at once, in every namespace."""
    assert _actions(_policy(before, after)) == (["deny"] if needed else [])


@pytest.mark.parametrize(
    "inputs",
    [
        {
            "metadata": {
                "name": "n",
                "annotations": {"config.linkerd.io/default-inbound-policy": "deny"},
            }
        },
        {"spec": {"env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "deny"}]}},
    ],
)
def test_default_policy_is_found_wherever_it_stands(inputs: dict[str, Any]) -> None:
    """It is an annotation of a namespace, a variable of a proxy, and a value of a chart."""
    assert _actions(change(kind="Namespace", before={}, after=inputs)) == ["deny"]


def _object(op: Op, kind: str, namespace: str, **spec: Any) -> Change:
    inputs = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": kind,
        "metadata": {"name": "x", "namespace": namespace},
        "spec": spec,
    }
    sides = {"before": None if op is Op.CREATE else inputs}
    return change(op, kind=kind, **sides, after=None if op is Op.DELETE else inputs)


def test_policy_objects_that_may_deny_need_the_flag() -> None:
    """A Server alone denies everybody to the pods that it selects."""
    assert _actions(_object(Op.CREATE, "Server", "shop")) == ["deny"]
    assert _actions(_object(Op.CREATE, "Server", "shop", accessPolicy="all-unauthenticated")) == []
    assert _actions(_object(Op.DELETE, "AuthorizationPolicy", "shop")) == ["deny"]
    assert _actions(_object(Op.CREATE, "AuthorizationPolicy", "shop")) == []
    assert _actions(_object(Op.CREATE, "Server", "linkerd-viz")) == []


def test_server_whose_spec_only_up_will_know_denies() -> None:
    """A value that is not known stands as a text in the place of the object."""
    after = {"apiVersion": "policy.linkerd.io/v1", "kind": "Server", "spec": UNKNOWN}
    assert _actions(change(Op.CREATE, kind="Server", after=after)) == ["deny"]


@pytest.mark.parametrize("kind", ["Server", "AuthorizationPolicy"])
def test_labels_of_a_policy_deny_nobody(kind: str) -> None:
    """A new label on every object would ask for a flag that then says nothing."""
    moved = _object(Op.UPDATE, kind, "shop")
    labels, spec = fields("metadata.labels.a"), fields("spec.targetRef.name")
    assert _actions(moved.model_copy(update={"fields": labels})) == []
    other = moved.model_copy(update={"fields": spec})
    assert _actions(other) == ["deny"]
    assert "is replaced" not in protected.needs(change_set(other))[0].why


def test_refusal_names_what_and_the_flag() -> None:
    """The operator must see what would be lost before the flag is typed."""
    needs = protected.needs(change_set(change(Op.DELETE, "linkerd", "Namespace")))
    with pytest.raises(RefusedError) as refused:
        protected.refuse(needs, [Action.CRD], "run it again")
    assert "Namespace linkerd" in str(refused.value)
    assert "run it again with --allow namespace" in str(refused.value)
    protected.refuse(needs, [Action.NAMESPACE], "run it again")
