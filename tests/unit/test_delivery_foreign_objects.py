"""A destruction takes whole namespaces along: what others have in them is asked about first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot import engine
from bot.cli import dispatch
from bot.clients.https import Answer, Client, Unreadable
from bot.clients.target import Target
from bot.deploy import foreign_objects
from bot.deploy.gate import Requirement
from bot.deploy.operation import Mark
from bot.deploy.protected import Action
from bot.engine import Engine, EngineResult
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from bot.exit_codes import DONE, FAILED, REFUSED, BotError
from bot.mesh.drift.discovery import ListedKind
from stack.load import from_file
from tests.unit import delivery_samples as samples
from tests.unit.context import Context
from tests.unit.drift_samples import KINDS, api, declared, group, metadata, refusing
from tests.unit.stack_files import REPO

POD = ListedKind("", "Pod", "v1", "pods", True)
GROUPS = [group("", *(k for k in KINDS if not k.group), POD), group("apps", KINDS[-1])]
ENGINE = Engine("pulumi", "v3")
OURS = ("Deployment.apps", "linkerd/web")
WEB = metadata("web", "linkerd")
THEIRS = "/apis/apps/v1/namespaces/linkerd/deployments"
STAGING = Target("staging", Path(), from_file(REPO / "Pulumi.staging.yaml"), None, {})
OWNER = Target("trust", Path(), from_file(REPO / "Pulumi.trust.yaml"), None, {})
ALLOWED = ("destroy", "--stack", "staging", "--yes", "--allow", "stack")


def record(*namespaces: tuple[str, str, bool]) -> OperationRecord:
    """What the engine says of namespaces: name, operation, and whether the object is retained."""
    made = OperationRecord()
    for name, op, retained in namespaces:
        urn = f"urn:pulumi:staging::linkerd-platform::kubernetes:core/v1:Namespace::{name}"
        old = {"id": name, "custom": True, "retainOnDelete": retained}
        body = {"urn": urn, "type": "kubernetes:core/v1:Namespace", "op": op, "old": old}
        made.add({"resourcePreEvent": {"metadata": body}})
    made.add({"summaryEvent": {"result": "succeeded", "resourceChanges": {}}})
    return made


@dataclass
class World:
    """An API server, and what the engine was asked to do."""

    api: Client
    engine: list[tuple[str, ...]] = field(default_factory=list)
    record: OperationRecord = field(default_factory=lambda: record(("linkerd", "delete", False)))
    code: int = 0
    reads: int = 0


@pytest.fixture
def world(context: Context, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(server({}))

    def run(_engine: Engine, target: Target, *words: str, **more: Any) -> EngineResult:
        words += ("--preview-only",) * bool(more.get("preview_only"))
        made.engine.append(words)
        return EngineResult(words[0], target, made.record, Ending(made.code, "finished"))

    def read(*_: Any) -> Any:
        made.reads += 1
        return declared(OURS, resources=2)

    context.quick()
    context.cluster(lambda: made.api)
    context.engine(ENGINE)
    context.target(STAGING, OWNER)
    monkeypatch.setattr("bot.mesh.drift.declared.read", read)
    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr("bot.deploy.lock.Wait.until_free", lambda *_: True)
    # What it is bound to is for test_attacks.py.
    nothing = samples.snapshot(samples.change_set(), kind="destroy")
    monkeypatch.setattr("bot.deploy.check.bound", lambda *_: (nothing, False))
    monkeypatch.setattr("bot.deploy.check.refuse_moved", lambda *_: None)
    monkeypatch.setattr("bot.deploy.gate.requirement_of", lambda stack, _folder: Requirement(stack))
    monkeypatch.setattr("bot.deploy.operation.marked", lambda *_: nullcontext(Mark()))
    return made


def server(more: Mapping[str, Any]) -> Client:
    """The stack's own Deployment is there, what every namespace has, and `more` by path."""
    account = metadata("kube-root-ca.crt", "linkerd")
    lists = {"/api/v1/namespaces/linkerd/configmaps": [account], THEIRS: [WEB], **more}
    return api(GROUPS, lists)


def told() -> list[tuple[str, str]]:
    found = foreign_objects.needs(ENGINE, STAGING, {"linkerd"})
    assert {need.action for need in found} <= {Action.NAMESPACE}
    return [(need.subject, need.why) for need in found]


def test_the_namespaces_that_go_are_those_that_the_engine_deletes() -> None:
    """What is kept for what is protected stays, and what is retained is still there afterwards."""
    said = record(("a", "delete", False), ("b", "delete", True), ("c", "same", False))
    assert foreign_objects.going(said) == {"a"}


@pytest.mark.usefixtures("world")
def test_what_is_the_stacks_own_is_no_loss() -> None:
    """Nor what controllers put into every namespace."""
    assert told() == []


def test_no_namespace_goes_so_nothing_is_asked(world: World) -> None:
    """A cluster that is away keeps nobody from a stack whose namespaces stay."""
    assert foreign_objects.needs(ENGINE, STAGING, ()) == []
    assert world.reads == 0


def test_what_others_have_there_is_named(world: World) -> None:
    """Nobody knows by heart what a team has put beside the control plane."""
    world.api = server({THEIRS: [WEB, metadata("shop", "linkerd"), metadata("cart", "linkerd")]})
    [(what, why)] = told()
    assert what == "Namespace linkerd"
    lost = "Deployment.apps linkerd/cart, Deployment.apps linkerd/shop"
    assert why == f"is deleted, with objects that this stack did not create: {lost}"


def test_of_many_the_first_are_named_and_the_rest_is_counted(world: World) -> None:
    """A refusal is read in a terminal."""
    world.api = server({THEIRS: [WEB, *(metadata(f"shop-{n}", "linkerd") for n in range(1_009))]})
    [(_, why)] = told()
    assert (why.count("Deployment.apps"), why.endswith(" and 1,003 more")) == (6, True)


def test_what_is_in_no_namespace_that_goes_is_no_loss(world: World) -> None:
    """Another one of the stack may stay for what is protected."""
    other = "/apis/apps/v1/namespaces/linkerd-viz/deployments"
    world.api = server({other: [metadata("shop", "linkerd-viz")]})
    assert told() == []


def test_what_cannot_be_looked_at_may_be_anything(world: World) -> None:
    """An account that may not list Secrets sees an empty namespace."""
    world.api = server({"/api/v1/namespaces/linkerd/secrets": Answer(403, {})})
    [(what, why)] = told()
    assert what == "Secret in linkerd"
    assert why.startswith("forbidden to this account, so objects of other owners in it are unknown")


def test_a_cluster_that_does_not_answer_is_no_empty_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why, and the flag goes without."""
    world.api = refusing(Answer(401, None))
    [(what, why)] = told()
    assert what == "Namespace linkerd"
    assert "not logged in (401)" in why

    def away(*_: Any) -> Any:
        raise Unreadable("no context")

    monkeypatch.setattr("bot.deploy.foreign_objects.look", away)
    assert told() == [("Namespace linkerd", "its objects of other owners are unknown: no context")]


def test_a_state_that_cannot_be_read_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it everything in the namespace would be somebody else's."""

    def fail(*_: Any) -> Any:
        raise BotError("no backend")

    monkeypatch.setattr("bot.mesh.drift.declared.read", fail)
    with pytest.raises(BotError, match="no backend"):
        told()
    assert world.engine == []


def test_destroy_is_refused_before_anything_is_deleted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--allow stack` is for what the stack made, and not for what others did."""
    world.api = server({THEIRS: [WEB, metadata("shop", "linkerd")]})
    assert dispatch.main(ALLOWED) == REFUSED
    said = capsys.readouterr().err
    assert "Deployment.apps linkerd/shop (--allow namespace)" in said
    assert "--stack staging --allow stack` again with --allow namespace" in said
    assert world.engine == [("destroy", "--exclude-protected", "--preview-only")]


def test_destroy_goes_on_where_nothing_of_others_goes(world: World) -> None:
    """First it is previewed with the same scope."""
    assert dispatch.main([*ALLOWED, "--include-protected"]) == DONE
    first, second = world.engine
    assert first == ("destroy", "--ignore-protect", "--preview-only")
    assert second[:2] == ("destroy", "--ignore-protect")
    assert "--preview-only" not in second


def test_the_flag_goes_without_the_look(world: World) -> None:
    """A cluster that is gone for good is taken out of the state that way."""
    world.api = refusing(Answer(0, None))
    assert dispatch.main([*ALLOWED, "--allow", "namespace"]) == DONE
    [only] = world.engine
    assert "--preview-only" not in only
    assert world.reads == 0


def test_a_preview_that_fails_ends_it(world: World) -> None:
    """What would go is not known then."""
    world.code = 255
    assert dispatch.main(ALLOWED) == FAILED
    assert [words[-1] for words in world.engine] == ["--preview-only"]


def test_an_owner_without_a_cluster_has_no_namespaces(
    world: World,
) -> None:
    """Its destruction is Vault's alone."""
    assert dispatch.main(["destroy", "--stack", "trust", "--yes", "--allow", "stack"]) == DONE
    assert len(world.engine) == 1


def test_the_name_is_asked_for_after_the_look(
    world: World, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody types a name for what is refused then; anything but the name changes nothing."""
    context.terminal("y\n")
    asked = [word for word in ALLOWED if word != "--yes"]
    assert dispatch.main(asked) == DONE
    assert capsys.readouterr().out.endswith("destroy the stack: nothing was changed\n")
    assert [words[-1] for words in world.engine] == ["--preview-only"]
    context.terminal("staging\n")
    assert dispatch.main(asked) == DONE
    assert "--preview-only" not in world.engine[-1]
    capsys.readouterr()
    world.api = server({THEIRS: [WEB, metadata("shop", "linkerd")]})
    assert dispatch.main(asked) == REFUSED
    assert capsys.readouterr().out == ""
