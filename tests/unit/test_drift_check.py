"""A stack as it is looked at: the engine and the API server side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import Change, ChangeSet, Op
from bot.clients.https import Unreadable
from bot.clients.target import Target
from bot.engine import Engine
from bot.exit_codes import BotError
from bot.mesh.drift import check, tracked
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, Item
from bot.mesh.drift.report import StackDrift
from bot.mesh.drift.tracked import LookStopped
from stack.load import from_file
from tests.unit.drift_samples import declared, inventory, item
from tests.unit.stack_files import REPO

ENGINE = Engine("pulumi", "v3")
WEB = ("Deployment.apps", "linkerd/web")
CRD = ("apiextensions.k8s.io", "CustomResourceDefinition", None, "servers.policy.linkerd.io")
EXTRA = item("Secret", "linkerd/extra", "kubectl-create", data=True)


def change(urn: str, op: Op = Op.UPDATE) -> Change:
    return Change(
        urn=urn, type="kubernetes:apps/v1:Deployment", name="web", component="linkerd", op=op
    )


@dataclass
class World:
    """What each of the sources answers; lists are answered one after another."""

    states: list[Declared | BotError] = field(default_factory=list)
    changes: ChangeSet | BotError = field(
        default_factory=lambda: ChangeSet(stack="staging", source="drift", unchanged=2)
    )
    looks: list[Inventory | BotError] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)


def _next(answers: list[Any]) -> Any:
    found = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(found, BotError):
        raise found
    return found


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(states=[declared(WEB, resources=2)], looks=[inventory(item(*WEB))])

    @contextmanager
    def cluster(_target: Target) -> Iterator[None]:
        yield None

    def take(*_args: Any, label: str | None = None, **_more: Any) -> Inventory:
        made.labels.append(label)
        return _next(made.looks)

    monkeypatch.setattr("bot.mesh.drift.look.SECOND_LOOK_SECONDS", 0.0)
    monkeypatch.setattr("bot.mesh.drift.look.cluster", cluster)
    monkeypatch.setattr("bot.mesh.drift.look.take", take)
    monkeypatch.setattr(check.declared, "read", lambda *_args: _next(made.states))
    monkeypatch.setattr(tracked, "read", lambda *_args: _next([made.changes]))
    return made


def look(stack: str = "staging") -> StackDrift:
    config = from_file(REPO / f"Pulumi.{stack}.yaml")
    return check.check(ENGINE, Target(stack, Path(), config, None, {}), threading.Event())


def test_an_untouched_stack_has_none(world: World) -> None:
    """Any line on a quiet night teaches people not to read the report."""
    assert look().outcome == "none"
    assert world.labels == ["linkerd-platform.io/owner=staging"], "one look is enough"


def test_what_the_engine_finds_is_drift(world: World) -> None:
    """With who wrote to it last."""
    urn = "urn::linkerd/web"
    world.changes = ChangeSet(stack="staging", source="drift", changes=(change(urn),))
    world.looks = [inventory(item(*WEB, "pulumi-kubernetes", "kubectl-edit"))]
    found = look()
    assert found.outcome == "drift"
    assert found.writers == {urn: "kubectl-edit at 2026-11-01T10:00:00Z"}
    assert found.added == (), "the object is told once"


def test_fields_that_somebody_added_are_drift(world: World) -> None:
    """The engine sees no difference in what we have set."""
    world.looks = [inventory(item(*WEB, "kubectl-edit"))]
    [found] = look().added
    assert (found.urn, found.manager, found.paths) == (
        "urn::linkerd/web",
        "kubectl-edit",
        ("spec",),
    )


def test_an_undeclared_object_is_drift_when_it_is_there_twice(world: World) -> None:
    """A controller may need a moment, and lists are not of one moment."""
    both = inventory(item(*WEB), EXTRA)
    world.looks = [both, both]
    [found] = look().undeclared
    assert (found.subject, found.level.value, found.managers) == (
        "Secret linkerd/extra",
        "high",
        ("kubectl-create",),
    )
    world.looks = [both, inventory(item(*WEB))]
    assert look().outcome == "none"


def test_a_stack_without_a_cluster_is_the_engines_alone(world: World) -> None:
    """The owner of the anchor has nothing but Vault."""
    world.looks = [Unreadable("must not be asked")]
    assert look("trust").outcome == "none"


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([BotError("no stack")], "no stack"),
        ([declared()], "its state is empty"),
        ([declared(WEB, resources=2, pending=1)], "unfinished operations"),
        ([declared(WEB, resources=2, version=n) for n in "ab"], "was updated while"),
        ([declared(WEB, resources=2), BotError("gone")], "gone"),
    ],
)
def test_a_state_that_is_not_at_rest_leaves_it_open(
    world: World, states: list[Declared | BotError], said: str
) -> None:
    """What `up` is making at this moment is in no state yet."""
    world.states = states
    found = look()
    assert found.outcome == "undetermined"
    assert said in found.errors[0]


def test_a_cluster_that_does_not_answer_leaves_it_open_and_vault_is_told(world: World) -> None:
    """Half a report is worth something, and is no clean bill."""
    world.looks = [Unreadable("https://k does not answer")]
    world.changes = ChangeSet(stack="staging", source="drift", changes=(change("vault"),))
    found = look()
    assert (found.outcome, found.errors) == ("undetermined", ("https://k does not answer",))
    assert len(found.tracked.changes) == 1


def test_one_cause_is_told_once(world: World) -> None:
    """The engine and we both met the cluster that is away."""
    world.looks = [Unreadable("https://k does not answer")]
    world.changes = ChangeSet(
        stack="staging",
        source="drift",
        errors=("the API server does not answer",),
        warnings=(f"configured Kubernetes {tracked.UNREACHABLE}: dial",),
    )
    found = look()
    assert (*found.errors, *found.tracked.errors) == ("https://k does not answer",)


def test_an_engine_that_fails_leaves_it_open_and_the_cluster_is_told(world: World) -> None:
    """A sealed Vault must not hide who sits in our namespace."""
    world.changes = BotError("the engine is away")
    world.looks = [inventory(item(*WEB), EXTRA)]
    found = look()
    assert (found.outcome, len(found.undeclared)) == ("undetermined", 1)
    assert found.tracked.errors == ("the engine is away",)


def test_what_could_not_be_listed_leaves_it_open(world: World) -> None:
    """Whoever hides something would begin with the rights of this command."""
    world.looks = [inventory(item(*WEB), unlisted={"Secret in linkerd": "forbidden"})]
    assert look().outcome == "undetermined"


def with_release(*items: Item) -> tuple[Declared, Inventory]:
    state = replace(
        declared(WEB, resources=2),
        inside={CRD: "urn::crds"},
        releases={("kube-system", "linkerd-crds"): "urn::crds"},
    )
    return state, inventory(item(*WEB), *items, scopes={CRD[:2]: False})


def test_an_object_of_a_release_that_is_gone_is_a_deletion(world: World) -> None:
    """Helm believes that it is there, and the engine believes Helm."""
    state, there = with_release()
    world.states, world.looks = [state], [there]
    found = look()
    [gone] = found.tracked.changes
    assert (gone.op, gone.kind, gone.place) == (Op.DELETE, CRD[1], CRD[3])
    assert found.helm == {gone.urn: "kube-system/linkerd-crds"}


def test_of_a_release_that_is_gone_only_the_release_is_told(world: World) -> None:
    """An update makes it anew, with all its objects."""
    state, there = with_release()
    world.states, world.looks = [state], [there]
    gone = change("urn::crds", Op.DELETE)
    world.changes = ChangeSet(stack="staging", source="drift", changes=(gone,))
    assert look().tracked.changes == (gone,)


def test_an_interrupt_is_no_result(world: World) -> None:
    """A report of what was seen until then would read as one of everything."""
    world.changes = LookStopped("interrupted")
    with pytest.raises(LookStopped):
        look()
