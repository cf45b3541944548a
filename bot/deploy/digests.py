"""The changes that an approval is bound to: which resources, how, and from what to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.changes import paths
from bot.changes.model import Change, ChangeSet, Op
from bot.changes.paths import Path
from bot.changes.snapshot import canonical
from bot.deploy import backend
from bot.text.hidden_values import UNKNOWN
from schema.values import printable

# What may be left of a change after a run that was killed in the middle of it: a replacement is a
# creation and a deletion, and what was made but is not ready yet is an update.
_LEFT_OF: Mapping[Op, frozenset[Op]] = {
    Op.CREATE: frozenset({Op.CREATE, Op.UPDATE}),
    Op.IMPORT: frozenset({Op.IMPORT, Op.UPDATE}),
    Op.UPDATE: frozenset({Op.UPDATE}),
    Op.REPLACE: frozenset({Op.REPLACE, Op.CREATE, Op.DELETE, Op.UPDATE}),
    Op.DELETE: frozenset({Op.DELETE}),
}


class Signature(BaseModel):
    """One change. fields: paths, in order.

    before, after: digests of its inputs, in which secrets are masked; empty where the resource is
    not there. unknown: paths of what only the update will know, which a digest cannot hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    urn: str
    op: Op
    fields: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    unknown: tuple[str, ...] = ()


def signatures(changes: ChangeSet, like: Sequence[Signature] = ()) -> tuple[Signature, ...]:
    """What tells each change from others, in the order of their URNs.

    like: earlier ones; what was unknown to them is left out of these as well.
    """
    unknown = {each.urn: each.unknown for each in like}
    found = (_signature(change, unknown.get(change.urn, ())) for change in changes.changes)
    return tuple(sorted(found, key=lambda each: (each.urn, each.op)))


def _signature(change: Change, known_unknown: Sequence[str]) -> Signature:
    after = _plain(change.after)
    for path in known_unknown:
        _blank(after, paths.parts(path))
    unknown = sorted({*known_unknown, *(paths.text(each) for each in _unknown(after, ()))})
    return Signature(
        urn=change.urn,
        op=change.op,
        fields=tuple(sorted({field.path for field in change.fields})),
        before=_digest(_plain(change.before)),
        after=_digest(after),
        unknown=tuple(unknown),
    )


def _plain(value: Any) -> Any:
    """A copy as JSON has it, so that a set from a file is the same as the one that was written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _digest(content: Any) -> str:
    return "" if content is None else backend.digest(canonical(content))


def _unknown(value: Any, path: Path) -> Iterator[Path]:
    if value == UNKNOWN:
        yield path
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from _unknown(item, (*path, key))


def _blank(content: Any, path: Path) -> None:
    inner = paths.value_at(content, path[:-1])
    if not path or paths.value_at(content, path) == paths.ABSENT:
        return
    inner[path[-1]] = UNKNOWN


def of_changes(changes: Sequence[Signature]) -> str:
    """Digest of all changes."""
    return backend.digest(canonical([each.model_dump(mode="json") for each in changes]))


def unlike(approved: Sequence[Signature], now: Sequence[Signature]) -> list[str]:
    """Which changes are not as approved, in words; each resource once."""
    was, is_ = ({each.urn: each for each in side} for side in (approved, now))
    return [
        _difference(was.get(urn), is_.get(urn))
        for urn in sorted({*was, *is_})
        if was.get(urn) != is_.get(urn)
    ]


def beyond(approved: Sequence[Signature], now: ChangeSet) -> list[str]:
    """What would change now and is no part of what was approved, after a run that was cut short."""
    was = {each.urn: each for each in approved}
    return [
        _difference(was.get(each.urn), each)
        for each in signatures(now, approved)
        if not _part_of(was.get(each.urn), each)
    ]


def _part_of(approved: Signature | None, left: Signature) -> bool:
    if approved is None or left.op not in _LEFT_OF.get(approved.op, frozenset()):
        return False
    if left.after and left.after != approved.after:
        return False  # It would become something else than was approved.
    if left.op == approved.op == Op.UPDATE:
        return set(left.fields) <= set(approved.fields)
    return True


def _difference(was: Signature | None, now: Signature | None) -> str:
    told = f"{_name((now or was).urn)}: was {_told(was)}, is {_told(now)}"  # type: ignore[union-attr]
    return f"{told} with different values" if _told(was) == _told(now) else told


def _told(signature: Signature | None) -> str:
    if signature is None:
        return "no change"
    return (
        f"{signature.op.value} of {', '.join(signature.fields)}"
        if signature.fields
        else signature.op.value
    )


def _name(urn: str) -> str:
    if urn.count("::") < 3:  # the file says so: whatever it is, it is told
        return printable(urn)
    return f"{urn.split('::')[2].rpartition('$')[2].rpartition(':')[2]} {urn.rpartition('::')[2]}"
