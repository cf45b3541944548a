"""What the bot takes by itself, without engine or servers: plans, comments of a large preview."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.measure import Limit, alternately, python, table
from bench.workspace import PROJECT
from bot.changes import file, paths
from bot.changes.model import Change, ChangeSet, Op
from bot.clients.target import Target
from bot.engine import EngineResult
from bot.engine.as_changes import changes_of
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from stack.load import from_file

RESOURCES = 2000
_TYPE = "kubernetes:apps/v1:Deployment"
_URN = f"urn:pulumi:production::linkerd-platform::{_TYPE}"


def measure(folder: Path, rounds: int) -> None:
    """Measure and print the tables. folder: an empty one, for what the commands write."""
    _help(rounds)
    _plans(folder, rounds)
    _comments(folder, rounds)
    _events(rounds)


def _help(rounds: int) -> None:
    table(
        f"bot --help, median of {rounds}; it is to take 0.1 s of CPU at most",
        alternately(
            rounds,
            {
                "python": lambda: python(PROJECT, "-c", ""),
                "bot --help": lambda: python(PROJECT, "-m", "bot", "--help"),
            },
        ),
    )


def _plans(folder: Path, rounds: int) -> None:
    out = str(folder / "plan")
    table(
        f"bot plan, median of {rounds}; all stacks are to take 5 s at most",
        alternately(
            rounds,
            {
                "import pulumi": lambda: python(PROJECT, "-c", "import pulumi"),
                "plan --stack trust": lambda: _bot("plan", "--stack", "trust"),
                "plan --all": lambda: _bot("plan", "--all"),
                "plan --all --out DIR": lambda: _bot("plan", "--all", "--out", out),
                "plan --all --base HEAD --out DIR": lambda: _bot(
                    "plan", "--all", "--base", "HEAD", "--out", out
                ),
            },
        ),
        dict.fromkeys(("plan --all", "plan --all --out DIR"), Limit(5)),
    )


def _comments(folder: Path, rounds: int) -> None:
    sets = {
        "no change": (),
        f"{RESOURCES} updates": tuple(_changes(Op.UPDATE)),
        f"{RESOURCES} creations": tuple(_changes(Op.CREATE)),
    }
    for name, changes in sets.items():
        found = ChangeSet(stack="production", source="preview", changes=changes)
        file.write(folder / f"{name}.json", found)

    def comment(name: str) -> None:
        out = str(folder / "comments")
        _bot("comment", "--changes", str(folder / f"{name}.json"), "--out", out)

    table(
        f"bot comment, median of {rounds}; {RESOURCES} resources are to take 2 s at most",
        alternately(rounds, {name: lambda name=name: comment(name) for name in sets}),  # type: ignore[misc]
        dict.fromkeys(sets, Limit(2)),
    )


def _events(rounds: int) -> None:
    """What `bot preview` adds to a preview whose record is large."""
    config = from_file(PROJECT / "Pulumi.production.yaml")
    target = Target("production", PROJECT, config, None, {})
    text = json.dumps([_event(change) for change in _changes(Op.UPDATE)])
    record = OperationRecord()
    for event in json.loads(text):
        record.add(event)
    result = EngineResult("preview", target, record, Ending(0, "finished"))

    def read() -> None:
        json.loads(text)

    def made() -> None:
        changes_of(result)

    table(
        f"{RESOURCES} events of the engine as a change set, median of {rounds}",
        alternately(rounds, {"read as JSON": read, "changes_of": made}),
    )


def _bot(*arguments: str) -> None:
    python(PROJECT, "-m", "bot", *arguments)


def _changes(op: Op) -> Iterator[Change]:
    """Deployments with a new image, environment and annotation each: no two are alike."""
    for number in range(RESOURCES):
        before, after = (_deployment(number, version) for version in ("2026.6.3", "2026.10.1"))
        yield Change(
            urn=f"{_URN}::web-{number}",
            type=_TYPE,
            name=f"web-{number}",
            component=f"component-{number % 9}",
            op=op,
            fields=paths.differences(before, after) if op is Op.UPDATE else (),
            before=before if op is Op.UPDATE else None,
            after=after,
        )


def _deployment(number: int, version: str) -> dict[str, Any]:
    labels = {f"app.kubernetes.io/label-{n}": f"value-{n}" for n in range(12)}
    container = {
        "name": "web",
        "image": f"registry.example/web-{number}:{version}",
        "env": [{"name": f"NAME_{n}", "value": f"{number}-{n}-{version}"} for n in range(6)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{number}", "namespace": f"team-{number % 40}", "labels": labels},
        "spec": {
            "replicas": 3,
            "template": {
                "metadata": {"annotations": {"linkerd.io/created-by": version}, "labels": labels},
                "spec": {"containers": [container]},
            },
        },
    }


def _event(change: Change) -> Mapping[str, Any]:
    sides = {
        side: {"custom": True, "parent": "", "inputs": inputs, "outputs": inputs}
        for side, inputs in (("old", change.before), ("new", change.after))
    }
    detail = {field.path: {"diffKind": "update"} for field in change.fields}
    metadata = {"op": "update", "urn": change.urn, "type": _TYPE, **sides, "detailedDiff": detail}
    return {"resourcePreEvent": {"metadata": metadata}}
