"""Whether the nodes of a cluster let the control plane run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.deploy import room
from tests.unit.stack_files import load, spoilt

TAINT = {"key": "dedicated", "value": "platform", "effect": "NoSchedule"}
FARGATE = {"eks.amazonaws.com/compute-type": "fargate"}


def node(name: str, *taints: dict[str, str], cordoned: bool = False, **labels: str) -> Any:
    """A node of Linux."""
    spec = {"taints": list(taints), **({"unschedulable": True} if cordoned else {})}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


class Nodes(Client):
    """An API server that has these nodes."""

    there: tuple[Any, ...] | None = ()

    def request(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        assert (method, path.partition("?")[0]) == ("GET", "/api/v1/nodes")
        if self.there is None:
            return Answer(403, {"message": "forbidden"})
        return Answer(200, {"kind": "NodeList", "items": list(self.there), "metadata": {}})


def told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    there: tuple[Any, ...] | None,
    keys: Any = None,
    namespace: str = "linkerd",
) -> tuple[str, ...]:
    """The warnings of a preview that makes a Deployment."""
    api = Nodes("https://api", Path("ca.crt"))
    monkeypatch.setattr(Nodes, "there", there)

    @contextmanager
    def client(_: Target) -> Iterator[Client]:
        yield api

    monkeypatch.setattr(room, "cluster", client)
    change = Change(
        urn="u",
        type="kubernetes:apps/v1:Deployment",
        name="linkerd-destination",
        component="linkerd",
        op=Op.CREATE,
        after={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace}},
    )
    changes = ChangeSet(stack="test", source="preview", changes=(change,))
    target = Target("test", tmp_path, load(tmp_path, spoilt(keys or {})), None, {})
    return room.judged(target, changes).warnings


SELECTED = {("placement", "nodeSelector"): {"pool": "mesh"}}
TOLERATED = {("placement", "tolerations"): [{"key": "dedicated", "operator": "Exists"}]}
SMALL = {("linkerd", "ha"): False, ("linkerd", "replicas"): 1}
THREE = (node("a"), node("b"), node("c"))


@pytest.mark.parametrize(
    ("there", "keys", "said"),
    [
        (THREE, {}, ""),
        ((node("a"),), SMALL, ""),
        ((node("a"),), {}, "1 of 1 nodes can run the control plane, and linkerd.ha puts each of 3"),
        ((*THREE[:2], node("w", **{"kubernetes.io/os": "windows"})), {}, "w: it runs on Windows"),
        ((*THREE[:2], node("f", **FARGATE)), {}, "f: it runs on virtual nodes"),
        ((*THREE[:2], node("z", **{"kubernetes.io/arch": "s390x"})), {}, "z: it runs on s390x"),
        ((*THREE[:2], node("c", cordoned=True)), {}, "c: is cordoned"),
        (tuple(node(each, TAINT) for each in "abc"), {}, "taint dedicated=platform:NoSchedule"),
        (tuple(node(each, TAINT) for each in "abc"), TOLERATED, ""),
        (
            (*THREE, node("d", {"key": "spot", "effect": "PreferNoSchedule"})),
            {("placement", "tolerations"): [{"key": "spot", "value": "x"}]},
            "",
        ),
        (THREE, SELECTED, "0 of 3 nodes can run the control plane, and linkerd.ha"),
        (THREE, SELECTED | SMALL, "a: lacks the label pool=mesh"),
        (tuple(node(each, pool="mesh") for each in "abc"), SELECTED, ""),
        ((), SMALL, "0 of 0 nodes can run the control plane: pods wait"),
    ],
)
def test_public_reports_30_nodes_that_are_too_few_are_told_at_the_preview(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: tuple[Any, ...], keys: Any, said: str
) -> None:
    """Azure/AKS#3882: all pools are tainted, and `up` waits for pods until its time is over."""
    warnings = told(monkeypatch, tmp_path, there, keys)
    assert len(warnings) == bool(said)
    assert not said or said in warnings[0]


def test_nodes_that_may_not_be_listed_are_no_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who deploys may see no nodes, as in a cluster of somebody else's."""
    assert told(monkeypatch, tmp_path, None) == ()


def test_other_deployments_are_none_of_the_control_planes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is put on its nodes by others is theirs to see to."""
    assert told(monkeypatch, tmp_path, (), namespace="shop") == ()
