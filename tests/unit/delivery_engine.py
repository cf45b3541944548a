"""An engine without a process, whose backend is `backend.json`: for tests of whole commands.

`plan` there is what would change, by name and operation, and `reads` the files of the project whose
content every change becomes, as a program's does. `edits` are files that somebody writes while the
engine previews. An update writes it into the state, step
by step; with `die` it is killed after the first step, with `locked` somebody else has the lock
that many times.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from pulumi.automation import UpdateSummary

from bot import engine
from bot.clients.target import Target
from bot.deploy import signing
from bot.deploy.approval import Approval
from bot.engine import Engine, EngineResult
from bot.engine.errors import Lock
from bot.engine.events import OperationRecord
from bot.engine.process import Ending
from bot.exit_codes import BotError
from stack.arguments import chart_refs
from stack.charts import Charts
from tests.unit.delivery_samples import summaries

# Below the trust anchor, and no mount: the policies have a word on those.
_URN = (
    "urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor$"
    "vault:index/policy:Policy::"
)
_COMMAND = Engine("pulumi", "v3.260.0")


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every command have this engine."""
    monkeypatch.setattr(engine, "find", lambda: _COMMAND)
    monkeypatch.setattr(engine, "short", _short)
    monkeypatch.setattr(engine, "exported", lambda _, where: {"deployment": _state(where)})
    monkeypatch.setattr(engine, "history", _history)
    monkeypatch.setattr(engine, "run", _run)


def sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let approvals be signed by a Vault of the test, which signs with a digest under a key."""

    def asked(
        _target: Target, what: str, record: Approval, _policy: object, **more: str
    ) -> dict[str, Any]:
        mac = hmac.new(b"the key in Vault", record.signed_content, "sha256").digest()
        own = f"vault:v1:{base64.b64encode(mac).decode()}"
        return {"signature": own} if what == "sign" else {"valid": more["signature"] == own}

    monkeypatch.setattr(signing, "_asked", asked)


def _read(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target.project_dir / "backend.json").read_text())
    return found


def _write(target: Target, data: dict[str, Any]) -> None:
    (target.project_dir / "backend.json").write_text(json.dumps(data))


def _state(target: Target) -> dict[str, Any]:
    return dict(_read(target).get("state", {}))


def _history(_engine: Engine, target: Target, _entries: int) -> list[UpdateSummary]:
    return summaries([{"config": {}, **each} for each in _read(target).get("history", [])])


def _short(_engine: Engine, target: Target, *words: str) -> str:
    data = _read(target)
    tags = data.setdefault("tags", {})
    if words[:2] == ("stack", "export"):
        return json.dumps({"deployment": data.get("state", {})})
    if words[:3] == ("stack", "tag", "get"):
        if words[3] not in tags:
            raise BotError(f"pulumi stack tag: stack tag '{words[3]}' not found")
        return f"{tags[words[3]]}\n"
    if words[:3] == ("stack", "tag", "set"):
        tags[words[3]] = words[4]
    elif words[:3] == ("stack", "tag", "rm"):
        del tags[words[3]]
    else:
        raise AssertionError(words)
    _write(target, data)
    return ""


def _run(
    _engine: Engine, target: Target, operation: str, *flags: str, **more: object
) -> EngineResult:
    data, record = _read(target), OperationRecord()
    looks = ["--preview-only"] if more.get("preview_only") else []
    data.setdefault("calls", []).append([operation, *flags, *looks])
    _write(target, data)
    if operation == "up" and data.get("locked"):
        data["locked"] -= 1
        _write(target, data)
        locks = [Lock("eve", "elsewhere", 7, 60.0)]
        return EngineResult(operation, target, record, Ending(255, "finished"), ["locked"], locks)
    applies = operation in ("up", "destroy") and not more.get("preview_only")
    plan, value = data.get("plan", {}), _read_by_program(target, data)
    for name, op in plan.items():
        _step(record, "resourcePreEvent", name, op, value)
        if applies:
            data.setdefault("state", {}).setdefault("resources", []).append(
                {name: op, "value": value}
            )
            _write(target, data)
            if data.get("die"):
                return EngineResult(operation, target, record, Ending(-9, "finished"))
        _step(record, "resOutputsEvent", name, op, value)
    counts = {op: list(plan.values()).count(op) for op in plan.values()}
    record.add(
        {"summaryEvent": {"result": "succeeded", "durationSeconds": 1, "resourceChanges": counts}}
    )
    if applies:
        _applied(target, data, operation, str(more["message"]))
    elif edits := data.pop("edits", {}):
        for name, text in edits.items():
            (target.project_dir / name).write_text(text)
        _write(target, data)
    return EngineResult(operation, target, record, Ending(0, "finished"))


def _read_by_program(target: Target, data: dict[str, Any]) -> str | None:
    if data.get("reads"):
        charts = Charts(target.project_dir)
        charts.link(*chart_refs(target.config, charts).values())
    files = [target.project_dir / name for name in data.get("reads", ())]
    texts = [file.read_bytes() if file.exists() else b"" for file in files]
    return hashlib.sha256(b"\0".join(texts)).hexdigest() if files else None


def _step(record: OperationRecord, event: str, name: str, op: str, value: object) -> None:
    urn = f"{_URN}{name}"
    state: dict[str, Any] = {
        "urn": urn,
        "type": "vault:index/policy:Policy",
        "parent": "",
        "custom": True,
    }
    if value is not None:
        state["inputs"] = {"policy": value}
    metadata = {"op": op, "urn": urn, "type": state["type"], "old": None, "new": state}
    record.add({event: {"metadata": metadata}})


def _applied(target: Target, data: dict[str, Any], operation: str, message: str) -> None:
    entry = {
        "kind": {"up": "update"}.get(operation, operation),
        "startTime": "2026-11-21T10:00:00.000Z",
        "endTime": "2026-11-21T10:00:09.000Z",
        "message": message,
        "result": "succeeded",
        "environment": {},
        "resourceChanges": {},
    }
    data["history"] = [entry, *data.get("history", [])]
    data["plan"] = {}
    _write(target, data)
