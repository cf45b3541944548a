"""What tests of deliveries share: changes, approvals, a history, an engine with a backend."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult, UpdateSummary

from bot.changes.model import Change, ChangeSet, FieldChange, Op
from bot.changes.snapshot import Snapshot
from bot.clients.target import Target
from bot.deploy import approval, backend, digests
from bot.deploy.approval import Approval
from bot.deploy.backend import Entry
from bot.deploy.protected import Action
from bot.engine import Engine, automation
from tests.unit import fake_engine
from tests.unit.stack_files import REPO

COMMIT, OTHER = "a" * 40, "b" * 40
STATE = backend.digest(b"state")
PROJECT_FILES = (
    "Pulumi.yaml",
    *(f"Pulumi.{stack}.yaml" for stack in ("trust", "staging", "production")),
    "charts.yaml",
    "fleet.yaml",
    "requirements.txt",
)
_URN = "urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor$"

# The engine's commands for a backend that is one JSON file, `backend.json`, in the project.
BACKEND = """
file = os.path.join(os.getcwd(), "backend.json")
data = json.load(open(file))
data.setdefault("calls", []).append(args)
def keep():
    with open(file + ".part", "w") as out:
        json.dump(data, out)
    os.replace(file + ".part", file)
keep()
if args[:2] == ["stack", "history"]:
    print(json.dumps(data.get("history", [])))
    sys.exit(0)
if args[:2] == ["stack", "export"]:
    deployment = {"manifest": {"time": str(time.time())}, **data.get("state", {})}
    print(json.dumps({"deployment": deployment}))
    sys.exit(0)
if args[:3] == ["stack", "tag", "get"]:
    if args[3] not in data.get("tags", {}):
        sys.exit(f"error: stack tag '{args[3]}' not found for stack 'trust'")
    print(data["tags"][args[3]])
    sys.exit(0)
if args[:3] == ["stack", "tag", "set"]:
    data.setdefault("tags", {})[args[3]] = args[4]
    keep()
    sys.exit(0)
if args[:3] == ["stack", "tag", "rm"]:
    del data["tags"][args[3]]
    keep()
    sys.exit(0)
"""


def change(op: Op = Op.UPDATE, name: str = "pki", kind: str = "", **more: Any) -> Change:
    """A change of an object, or of a mount in Vault where no kind is given."""
    type_ = f"kubernetes:v1:{kind}" if kind else "vault:index/mount:Mount"
    inputs = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}} if kind else {}
    urn = f"{'urn:pulumi:trust::linkerd-platform::' if kind else _URN}{type_}::{name}"
    given = {
        "before": None if op is Op.CREATE else inputs,
        "after": None if op is Op.DELETE else inputs,
        "urn": urn,
        "type": type_,
        **more,
    }
    return Change(name=name, component="anchor", op=op, **given)


def fields(*paths: str) -> tuple[FieldChange, ...]:
    """Fields that change."""
    return tuple(FieldChange(path=path, before=1, after=2) for path in paths)


def change_set(*changes: Change, **more: Any) -> ChangeSet:
    """A preview of stack `trust` at the commit."""
    return ChangeSet(
        **{"stack": "trust", "source": "preview", "commit": COMMIT, **more}, changes=changes
    )


def snapshot(shown: ChangeSet, /, **more: Any) -> Snapshot:
    """What the changes are bound to."""
    given: dict[str, Any] = {
        "kind": "up",
        "commit": COMMIT,
        "clean": True,
        "files": {},
        "config": "",
        "archives": {},
        "servers": {},
        "state": STATE,
        "changes": digests.of_changes(digests.signatures(shown)),
        "environment": {},
        "engine": "v3.260.0",
        "providers": {},
    }
    return Snapshot(**{**given, **more})


def bound(shown: ChangeSet, /, **more: Any) -> ChangeSet:
    """The changes as `preview --out` writes them."""
    return shown.model_copy(update={"snapshot": snapshot(shown, **more)})


def approved(
    changes: ChangeSet, *allowed: Action, bound: Snapshot | None = None, hours: float = 1
) -> Approval:
    """An approval of the changes."""
    return approval.of(
        changes,
        bound or snapshot(changes),
        by="ada",
        verdict="low",
        allowed=allowed,
        reason="",
        valid=timedelta(hours=hours),
    )


def entries(*documents: dict[str, Any]) -> tuple[Entry, ...]:
    """Operations of a history, those with notes all begun by the bot."""
    made = [backend._entry(each) for each in summaries(documents)]
    return tuple(replace(each, authentic=bool(each.noted)) for each in made)


def summaries(documents: Sequence[dict[str, Any]]) -> list[UpdateSummary]:
    """As the Automation API makes them of what the engine prints."""
    stack = automation.Stack.__new__(automation.Stack)
    printed = CommandResult(json.dumps(documents), "", 0)
    stack._run_pulumi_cmd_sync = lambda _words: printed  # type: ignore[method-assign,assignment]
    return stack.history(show_secrets=False)


def begun(history: list[dict[str, Any]]) -> str:
    """The tag that says that the bot has begun all of these operations."""
    made = [backend._entry(each).noted.get(backend.OPERATION) for each in summaries(history)]
    return " ".join(backend.fingerprint(each) for each in made if each)


def entry(**more: Any) -> dict[str, Any]:
    """An operation as `pulumi stack history --json` gives it: an update at the commit."""
    trailers = {
        backend.OPERATION: more.pop("operation", "0123456789abcdef"),
        backend.COMMIT: more.pop("commit", COMMIT),
        backend.TREE: more.pop("tree", "clean"),
        **more.pop("trailers", {}),
    }
    minute = more.pop("minute", 0)
    began = datetime(2026, 11, 21, 10, minute, tzinfo=UTC)
    return {
        "version": 0,
        "kind": "update",
        "startTime": began.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "endTime": (began + timedelta(seconds=42)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "message": backend.message("up of trust", trailers),
        "environment": {"git.head": OTHER, "git.dirty": "true"},
        "result": "succeeded",
        "config": {},
        "resourceChanges": {"create": 2, "same": 3},
        **more,
    }


def target(folder: Path, **data: Any) -> Target:
    """Stack `trust` in a project of its own, with a backend that holds `data`."""
    for name in PROJECT_FILES:
        (folder / name).write_bytes((REPO / name).read_bytes())
    tags = {backend.OPERATIONS: begun(data.get("history", [])), **data.pop("tags", {})}
    data["tags"] = {name: value for name, value in tags.items() if value}
    (folder / "backend.json").write_text(json.dumps(data))
    made = fake_engine.target(folder)
    return replace(made, environment={"PULUMI_BACKEND_URL": (folder / "state").as_uri()})


def engine(folder: Path, body: str = "sys.exit('error: unexpected command')") -> Engine:
    """An engine with that backend; `body` is what it does for `preview` and `up`."""
    return fake_engine.engine(folder, f"{BACKEND}\n{body}")


def kept(where: Target) -> Mapping[str, Any]:
    """What the backend holds now."""
    found: dict[str, Any] = json.loads((where.project_dir / "backend.json").read_text())
    return found


def repository(folder: Path) -> str:
    """Make the folder a git repository with all that is in it committed; the commit."""
    git = ("git", "-c", "user.name=ada", "-c", "user.email=ada@example.com")
    (folder / ".gitignore").write_text(".local/\nbackend.json*\nbin/\nstate/\n")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
        subprocess.run([*git, *arguments], cwd=folder, check=True, capture_output=True)
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
