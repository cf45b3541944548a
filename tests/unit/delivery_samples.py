"""What tests of deliveries share: changes, approvals, a history, an engine with a backend."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pulumi.automation import CommandResult, UpdateSummary

from bot.changes.model import Change, ChangeSet, FieldChange, Op
from bot.changes.snapshot import Snapshot
from bot.clients.https import Answer, Client
from bot.clients.target import Target
from bot.deploy import approval, backend, digests
from bot.deploy.approval import Approval
from bot.deploy.backend import Entry
from bot.deploy.protected import Action
from bot.engine import automation
from tests.unit import fake_engine, git_repository
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

SIGN, VERIFY = "/v1/linkerd/transit/sign/approvals", "/v1/linkerd/transit/verify/approvals"
_HASH = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Transit(Client):
    """Vault's transit engine with one key; may: the paths that the token's policies allow."""

    base: str = "https://vault.example.com"
    ca_file: Path = Path()
    may: tuple[str, ...] = (SIGN, VERIFY)
    there: bool = True
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def request(self, method: str, path: str, body: Any = None, **_more: Any) -> Answer:
        if path not in self.may:
            return Answer(403, {"errors": ["permission denied"]})
        if not self.there:
            return Answer(404, {"errors": []})
        content = base64.b64decode(body["input"], validate=True)
        assert method == "POST"
        if path == SIGN:
            made = base64.b64encode(self.key.sign(content, _HASH)).decode()
            return Answer(200, {"data": {"signature": f"vault:v1:{made}"}})
        given = base64.b64decode(body["signature"].rpartition(":")[2])
        try:
            self.key.public_key().verify(given, content, _HASH)
        except InvalidSignature:
            return Answer(200, {"data": {"valid": False}})
        return Answer(200, {"data": {"valid": True}})


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
    keep(folder / "backend.json", **data)
    made = fake_engine.target(folder)
    return replace(made, environment={"PULUMI_BACKEND_URL": (folder / "state").as_uri()})


def keep(file: Path, **data: Any) -> None:
    """Let the backend hold this, its history begun by the bot."""
    tags = {backend.OPERATIONS: begun(data.get("history", [])), **data.pop("tags", {})}
    data["tags"] = {name: value for name, value in tags.items() if value}
    file.write_text(json.dumps(data))


def kept(where: Target) -> Mapping[str, Any]:
    """What the backend holds now."""
    found: dict[str, Any] = json.loads((where.project_dir / "backend.json").read_text())
    return found


def repository(folder: Path) -> str:
    """Make the folder a git repository with all that is in it committed; the commit."""
    (folder / ".gitignore").write_text(".local/\nbackend*.json*\nbin/\nstate/\n")
    git_repository.repository(folder)
    return git_repository.commit(folder, "first")
