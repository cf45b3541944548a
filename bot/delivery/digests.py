"""What an approval is bound to: commit, files, chart archives, state, and the changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from bot import stacks
from bot.changes.model import ChangeSet, Op
from bot.delivery import backend, tree
from bot.engine import Engine
from bot.engine.target import Target
from bot.exit_codes import BadInputError
from stack import fleet
from stack.arguments import chart_refs
from stack.charts import Charts
from stack.values import printable

PROJECT_FILES = ("Pulumi.yaml", "charts.yaml", fleet.FILE)
_SHOWN = 12
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
    """One change without its values. fields: paths, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urn: str
    op: Op
    fields: tuple[str, ...] = ()


class Bindings(BaseModel):
    """Digests are `sha256:` and hexadecimal. files, archives: by name, relative to the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    files: Mapping[str, str]
    archives: Mapping[str, str]
    state: str
    changes: str


def files(target: Target) -> dict[str, str]:
    """Digest of the stack file, of the project's own files and of those that the stack file names.

    Not the kubeconfig: it holds credentials that change without anything else changing.
    """
    config, folder = target.config, target.project_dir
    authority = config.cluster.ca_file if config.cluster else None
    named = [config.vault.ca_file, authority, config.rollout.file]
    paths = {name: folder / name for name in (*PROJECT_FILES, *filter(None, named))}
    stack_file = target.config_file or stacks.file_of(target.stack, folder)
    paths[f"Pulumi.{target.stack}.yaml"] = stack_file
    return {
        name: backend.digest(path.read_bytes())
        for name, path in sorted(paths.items())
        if path.is_file()
    }


def archives(target: Target) -> dict[str, str]:
    """Digest of each chart archive that the stack uses; raises ChartError where one is missing.

    Taken of what the program is given, not of what charts.yaml says that it should be.
    """
    charts = Charts(target.project_dir)
    refs = chart_refs(target.config, charts)
    charts.link(*refs.values())
    return {
        f"{ref.name}-{ref.version}": backend.digest((target.project_dir / ref.path).read_bytes())
        for ref in refs.values()
    }


def signatures(changes: ChangeSet) -> tuple[Signature, ...]:
    """What tells each change from others, in the order of their URNs."""
    found = (
        Signature(
            urn=change.urn,
            op=change.op,
            fields=tuple(sorted({field.path for field in change.fields})),
        )
        for change in changes.changes
    )
    return tuple(sorted(found, key=lambda each: (each.urn, each.op)))


def of_changes(changes: Sequence[Signature]) -> str:
    """Digest of which resources change, how, and in which fields; values are the commit's."""
    rows = [[each.urn, each.op.value, *each.fields] for each in changes]
    return backend.digest(json.dumps(rows).encode())


def bindings(found: Engine, target: Target, checked_out: tree.Tree, changes: ChangeSet) -> Bindings:
    """What a deployment of this tree is bound to now; raises BotError and ChartError."""
    if checked_out.commit is None:
        raise BadInputError(f"{target.project_dir}: is no git checkout, so no commit can be bound")
    return Bindings(
        commit=checked_out.commit,
        files=files(target),
        archives=archives(target),
        state=backend.state_version(found, target),
        changes=of_changes(signatures(changes)),
    )


def differences(was: Bindings, now: Bindings, *, state: bool = True) -> list[str]:
    """Each binding that is not what it was, in words. state: whether the state's version counts.

    The changes are not compared here, see `unapproved`: which one differs says more than a digest.
    """
    found = [_difference("commit", was.commit, now.commit)]
    for what, before, after in (
        ("file", was.files, now.files),
        ("chart archive", was.archives, now.archives),
    ):
        found += [
            _difference(f"{what} {name}", before.get(name), after.get(name))
            for name in sorted({*before, *after})
        ]
    if state:
        found.append(_difference("version of the state", was.state, now.state))
    return [text for text in found if text]


def _difference(what: str, was: str | None, now: str | None) -> str:
    return "" if was == now else f"{what}: was {shortened(was)}, is {shortened(now)}"


def shortened(value: str | None) -> str:
    """A digest or commit as people compare them."""
    return value.removeprefix("sha256:")[:_SHOWN] if value else "not there"


def unlike(approved: Sequence[Signature], now: Sequence[Signature]) -> list[str]:
    """Which changes are not as approved, in words; each resource once."""
    was, is_ = ({each.urn: each for each in side} for side in (approved, now))
    return [
        f"{_name(urn)}: was {_told(was.get(urn))}, is {_told(is_.get(urn))}"
        for urn in sorted({*was, *is_})
        if was.get(urn) != is_.get(urn)
    ]


def beyond(approved: Sequence[Signature], now: Sequence[Signature]) -> list[str]:
    """What would change now and is no part of what was approved, after a run that was cut short."""
    was = {each.urn: each for each in approved}
    return [
        f"{_name(each.urn)}: was {_told(was.get(each.urn))}, is {_told(each)}"
        for each in now
        if not _part_of(was.get(each.urn), each)
    ]


def _part_of(approved: Signature | None, left: Signature) -> bool:
    if approved is None or left.op not in _LEFT_OF.get(approved.op, frozenset()):
        return False
    if left.op == approved.op == Op.UPDATE:
        return set(left.fields) <= set(approved.fields)
    return True


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
