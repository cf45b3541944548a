"""What others have in the namespaces that go with a stack: it goes with them.

A namespace takes everything in it along:
https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.clients.target import Target
from bot.deploy.protected import Action, Need
from bot.engine import Engine
from bot.engine.events import OperationRecord
from bot.exit_codes import BotError
from bot.mesh.drift import declared
from bot.mesh.drift.inventory import subject
from bot.mesh.drift.look import look
from bot.mesh.drift.owned import UndeclaredItem
from bot.text.lists import listed

_NAMESPACE = "kubernetes:core/v1:Namespace"
_NAMED = 6  # objects of a namespace that are named; the others are counted


def going(record: OperationRecord) -> frozenset[str]:
    """The namespaces that a previewed destruction deletes; those that are retained stay."""
    return frozenset(
        str(old.get("id") or step.name)
        for step in record.steps.values()
        if step.type == _NAMESPACE and step.kind != "unchanged"
        for old in [step.old or {}]
        if not old.get("retainOnDelete")
    )


def needs(found: Engine, target: Target, namespaces: Collection[str]) -> list[Need]:
    """A need per namespace in which there is something of others, or may be.

    What could not be looked at may hold anything. Raises BotError where the state cannot be read.
    """
    if not namespaces:
        return []
    state = declared.read(found, target)
    try:
        inventory, undeclared = look(target, state, namespaces)
    except BotError as error:
        what = f"Namespace {', '.join(sorted(namespaces))}"
        why = f"its objects of other owners are unknown: {error}"
        return [Need(Action.NAMESPACE, what, why)]
    unseen = [
        Need(Action.NAMESPACE, what, f"{why}, so objects of other owners in it are unknown")
        for what, why in sorted(inventory.unlisted.items())
    ]
    return [*_lost(undeclared, namespaces), *unseen]


def _lost(undeclared: Collection[UndeclaredItem], namespaces: Collection[str]) -> Iterator[Need]:
    for namespace in sorted(namespaces):
        names = [subject(each.item.key) for each in undeclared if each.item.namespace == namespace]
        if names:
            yield Need(
                Action.NAMESPACE,
                f"Namespace {namespace}",
                f"is deleted, with objects that this stack did not create: {listed(names, _NAMED)}",
            )
