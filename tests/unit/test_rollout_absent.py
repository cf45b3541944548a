"""An update must not make the namespaces that it only means to patch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.changes.model import ChangeSet, Op
from bot.clients.https import Answer, Unreadable
from bot.clients.target import Target
from bot.deploy import check
from bot.exit_codes import RefusedError
from bot.mesh.rollout import absent
from bot.plan import policy
from bot.stacks import PROJECT_DIR
from tests.unit.delivery_samples import change, change_set
from tests.unit.rollout_samples import config

PLAN = ({"state": "on", "namespaces": ["shop", "pay"]},)


class Api:
    """An API server with these namespaces."""

    base = "https://127.0.0.1:1"

    def __init__(self, *names: str) -> None:
        self.names = names

    def request(self, *_: Any, **__: Any) -> Answer:
        items = [{"metadata": {"name": name}} for name in self.names]
        return Answer(200, {"items": items, "metadata": {}})


def looked(
    monkeypatch: pytest.MonkeyPatch, changes: ChangeSet, *names: str, why: str = ""
) -> ChangeSet:
    """The changes as judged in a cluster with these namespaces; why: it cannot be asked."""

    @contextmanager
    def client(_: Target) -> Iterator[Api]:
        if why:
            raise Unreadable(why)
        yield Api(*names)

    monkeypatch.setattr(absent, "cluster", client)
    return absent.judged(Target("staging", PROJECT_DIR, config(*PLAN), None, {}), changes)


def patches(*names: str, op: Op = Op.CREATE) -> ChangeSet:
    """Changes that patch these namespaces, and another object."""
    made = [change(op, name, absent.PATCH) for name in names]
    return change_set(*made, change(Op.CREATE, "late", "ConfigMap"))


def test_a_patch_of_a_namespace_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A misspelt name would become an empty namespace, and the real one would stay outside."""
    found = looked(monkeypatch, patches("shop", "pay", "odd"), "shop", "default")
    why = "is not in the cluster, and the update would make an empty one: make it first, or take"
    assert [each.message for each in found.violations] == [
        f"namespace pay of wave w0 {why} it out of the wave",
        f"namespace odd {why} it out of the wave",
    ]
    with pytest.raises(RefusedError, match="policy rollout-namespaces-exist: namespace pay"):
        policy.refuse("staging", found.violations)
    with pytest.raises(RefusedError, match="namespace pay of wave w0"):
        check.refuse_doubtful(found)


def test_patches_of_namespaces_that_are_there_go_through(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = patches("shop", "pay")
    assert looked(monkeypatch, changes, "shop", "pay", "default") == changes


@pytest.mark.parametrize("op", [Op.UPDATE, Op.DELETE])
def test_a_patch_whose_namespace_is_gone_asks_for_a_refresh(
    monkeypatch: pytest.MonkeyPatch, op: Op
) -> None:
    """To take our keys off is a patch as well, and would bring back what its owner deleted."""
    changes = patches("shop", op=op)
    assert looked(monkeypatch, changes, "shop") == changes
    (found,) = looked(monkeypatch, changes, "default").violations
    assert found.level == "mandatory"
    assert found.message.endswith("run this with --refresh, which sees that it is gone")


def test_changes_without_a_patch_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most updates are about something else."""
    assert looked(monkeypatch, patches(), why="not asked") == patches()


def test_a_cluster_that_does_not_tell_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine asks the same server next, and says more."""
    found = looked(monkeypatch, patches("shop"), why="stack staging: no answer")
    assert found.violations == ()
    assert found.warnings == ("namespaces of the rollout not looked for: stack staging: no answer",)
