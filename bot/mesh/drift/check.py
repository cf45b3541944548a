"""Looks at one stack: the engine for what is tracked, the API server for what nobody declared."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from bot import engine
from bot.changes.model import Change, ChangeSet, Op
from bot.clients.target import Target
from bot.engine import Engine
from bot.exit_codes import BotError
from bot.mesh.drift import declared, fields, owned, severity, tracked
from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, Item, Key, subject
from bot.mesh.drift.look import look
from bot.mesh.drift.report import Added, StackDrift, Undeclared
from policies.model import OWNER_LABEL


def check(
    found: Engine,
    target: Target,
    stop: threading.Event,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> StackDrift:
    """The drift of a stack; what could not be determined is told in it, and is no error here.

    timeout: seconds for the engine. Raises tracked.Stopped once `stop` is set.
    """
    started = time.monotonic()
    try:
        state = declared.read(found, target)
    except BotError as error:
        return _undetermined(target, str(error), started)
    if not state.resources:
        why = f"its state is empty: bring it up first (python -m bot up --stack {target.stack})"
        return _undetermined(target, f"{why}, or look at PULUMI_BACKEND_URL", started)
    with ThreadPoolExecutor(max_workers=1) as pool:
        engine_run = pool.submit(tracked.read, found, target, stop, timeout)
        errors: list[str] = []
        inventory, undeclared = Inventory(()), tuple[owned.UndeclaredItem, ...]()
        try:
            inventory, undeclared = _look(target, state, stop)
        except BotError as error:
            errors.append(str(error))
        try:
            changes = engine_run.result()
        except tracked.LookStopped:
            raise
        except BotError as error:
            changes = ChangeSet(stack=target.stack, source="drift", errors=(str(error),))
    if errors and any(tracked.UNREACHABLE in text for text in changes.warnings):
        # The same cause by another name; ours says what was answered.
        changes = changes.model_copy(update={"errors": ()})
    errors += _moved(found, target, state)
    missing = _missing(changes, state, inventory)
    changes = changes.model_copy(update={"changes": (*changes.changes, *missing)})
    return StackDrift(
        stack=target.stack,
        tracked=changes,
        writers=_writers(changes, state, inventory),
        helm={each.urn: _release(each, state) for each in missing},
        added=_added(changes, state, inventory),
        undeclared=tuple(_told(each, state) for each in undeclared),
        unlisted=inventory.unlisted,
        errors=tuple(errors),
        seconds=time.monotonic() - started,
    )


def _undetermined(target: Target, why: str, started: float) -> StackDrift:
    nothing = ChangeSet(stack=target.stack, source="drift")
    seconds = time.monotonic() - started
    return StackDrift(stack=target.stack, tracked=nothing, errors=(why,), seconds=seconds)


def _look(
    target: Target, state: Declared, stop: threading.Event
) -> tuple[Inventory, tuple[owned.UndeclaredItem, ...]]:
    """What is there, and what of it is undeclared in two looks; raises BotError."""
    if target.config.cluster is None or not state.objects:
        return Inventory(()), ()
    return look(target, state, state.namespaces, f"{OWNER_LABEL}={target.stack}", stop)


def _moved(found: Engine, target: Target, before: Declared) -> list[str]:
    """A line where the state is not at rest: what is new then is not yet declared."""
    again = f"run `python -m bot drift --stack {target.stack}` again"
    if before.pending:
        return [f"the state has unfinished operations: `up` runs, or was killed; {again}"]
    try:
        after = declared.read(found, target)
    except BotError as error:
        return [str(error)]
    if after.version != before.version:
        return [f"the stack was updated while it was looked at; {again}"]
    return []


def _missing(changes: ChangeSet, state: Declared, inventory: Inventory) -> tuple[Change, ...]:
    """The objects of our Helm releases that are gone, where the release itself is there."""
    without = {each.urn for each in changes.changes if each.op is Op.DELETE}
    kinds = {(each.group, each.kind): each for each in (i.kind for i in inventory.items)}
    return tuple(
        Change(
            urn=f"{urn}::{subject(key)}",
            type=f"kubernetes:{_api_version(key, kinds)}:{key[1]}",
            name=key[3],
            component=urn.rpartition("::")[2],
            op=Op.DELETE,
            before={
                "apiVersion": _api_version(key, kinds),
                "kind": key[1],
                "metadata": {"name": key[3]} | ({"namespace": key[2]} if key[2] else {}),
            },
        )
        for key, urn in owned.missing(state, inventory)
        if urn not in without
    )


def _release(change: Change, state: Declared) -> str:
    """`namespace/name` of the Helm release that an object is part of."""
    urns = {urn: f"{namespace}/{name}" for (namespace, name), urn in state.releases.items()}
    return urns[change.urn.rpartition("::")[0]]


def _api_version(key: Key, kinds: Mapping[tuple[str, str], object]) -> str:
    found = kinds.get(key[:2])
    return str(getattr(found, "api_version", key[0] or "v1"))


def _writers(changes: ChangeSet, state: Declared, inventory: Inventory) -> dict[str, str]:
    """Who wrote last to each object that differs, where its field managers tell."""
    urns = {urn: key for key, urn in state.objects.items()}
    items = {each.key: each for each in inventory.items}
    found: dict[str, str] = {}
    for change in changes.changes:
        item = items.get(urns.get(change.urn, ("", "", None, "")))
        if item is not None and (writer := _last(item)):
            found[change.urn] = writer
    return found


def _last(item: Item) -> str | None:
    others = [
        each
        for each in item.managed
        if each.subresource != "status" and not each.manager.startswith(fields.OURS)
    ]
    if not others:
        return None
    last = max(others, key=lambda each: each.time)
    return f"{last.manager} at {last.time}"


def _added(changes: ChangeSet, state: Declared, inventory: Inventory) -> tuple[Added, ...]:
    """Fields that somebody added; where the object differs anyway, that says it."""
    differ = {change.urn for change in changes.changes}
    found = []
    for each in fields.added(state, inventory):
        key, kind = each.item.key, each.item.kind
        urn = state.objects.get(key) or f"{state.inside[key]}::{subject(key)}"
        if urn not in differ:
            found.append(
                Added(
                    urn=urn,
                    subject=subject(key),
                    api_version=kind.api_version,
                    kind=kind.kind,
                    namespace=each.item.namespace,
                    name=each.item.name,
                    level=severity.of_fields(each),
                    manager=each.manager,
                    time=each.time,
                    paths=each.paths,
                )
            )
    return tuple(found)


def _told(found: owned.UndeclaredItem, state: Declared) -> Undeclared:
    item = found.item
    level, reason = severity.severity(item, state)
    return Undeclared(
        subject=subject(item.key),
        api_version=item.kind.api_version,
        kind=item.kind.kind,
        namespace=item.namespace,
        name=item.name,
        level=level,
        reason=reason,
        created=item.created,
        managers=severity.makers(item),
        children=dict(found.children),
    )
