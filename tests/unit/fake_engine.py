"""The stand-in of the engine: a program that behaves as its command line does, or none at all.

`engine` makes the program, for tests of what runs it. `Backend` answers in this process and keeps
all there is in `backend.json` of the project, or `backend-STACK.json` where a stack has its own,
for tests of whole commands; without a file no stack was ever applied. `plan` there is what
would change, by name and operation, and `reads` the files of the project whose content every
change becomes, as a program's does; `values` is what else it reads. `edits` are files that somebody
writes while the engine previews. An update writes it into the state, step by step; with `die` it is
killed after the first step, with `locked` somebody else has the lock that many times.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error

from bot.clients.target import Target
from bot.engine import Engine, automation
from bot.engine.process import Ending
from stack.arguments import chart_refs
from stack.charts import Charts
from stack.load import from_file
from tests.unit.stack_files import REPO

VERSION = "v3.260.0"
_HEAD = f"""#!{sys.executable}
import json, os, signal, subprocess, sys, time
args = sys.argv[1:]
log = args[args.index("--event-log") + 1] if "--event-log" in args else os.devnull
def say(**event):
    with open(log, "a") as file:
        file.write(json.dumps(event) + "\\n")
def resource(kind, op, urn, parent="", custom=True, **more):
    state = dict(urn=urn, type=urn.split("::")[2].split("$")[-1], parent=parent, custom=custom)
    metadata = dict(op=op, urn=urn, type=state["type"], old=None, new=state, **more)
    say(**{{kind: dict(metadata=metadata)}})
def summary(result="succeeded"):
    say(summaryEvent=dict(result=result, durationSeconds=1, resourceChanges={{}}))
COMPONENT = "urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor::anchor"
MOUNT = ("urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor"
         "$vault:index/mount:Mount::anchor-pki")
"""
# Below the trust anchor, and no mount: the policies have a word on those.
_URN = (
    "urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor$"
    "vault:index/policy:Policy::"
)
_LOCKED = """\
error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  file:///state/.pulumi/locks/x.json: created by eve@elsewhere (pid 7) at 2026-11-21T10:00:00Z
"""


def engine(folder: Path, body: str) -> Engine:
    """An engine whose every run is `body`; see the head of the program for what it can use."""
    program = folder / "bin" / "pulumi"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"{_HEAD}\n{body}")
    program.chmod(0o755)
    return Engine(str(program), VERSION)


def target(folder: Path) -> Target:
    """A stack to run it on."""
    config = from_file(REPO / "Pulumi.trust.yaml")
    return Target("trust", folder, config, None, {})


class Backend(Engine):
    """An engine without a process."""

    def command(
        self, target: Target, environment: Mapping[str, str], **more: Any
    ) -> automation.EngineCommand:
        return _Answers(self.program, self.version, target, environment, **more)


BACKEND = Backend("pulumi", VERSION)


# Commands look at the state and the history at the same time.
_ONE_AT_A_TIME = threading.Lock()


class _Answers(automation.EngineCommand):
    """What the engine would say to a command."""

    def run(self, args: list[str], *_: Any, **__: Any) -> CommandResult:
        self.ran = list(args)
        with _ONE_AT_A_TIME:
            result = self._answer(args)
        self.errors = result.stderr
        if result.code:
            raise create_command_error(result)
        return result

    def _answer(self, args: list[str]) -> CommandResult:
        file = self._target.project_dir / f"backend-{self._target.stack}.json"
        if not file.exists():
            file = file.with_name("backend.json")
        data = json.loads(file.read_text()) if file.exists() else {}
        data.setdefault("calls", []).append([*args, *self._flags])
        if args[0] == "stack":
            result = self._stack(args, data)
        else:
            result = self._operation_on(args, data, file)
            self.ending = Ending(result.code, "finished")
            self._take(None)
        if file.exists():
            file.write_text(json.dumps(data))
        return result

    def _stack(self, args: list[str], data: dict[str, Any]) -> CommandResult:
        tags = data.setdefault("tags", {})
        match args[1:]:
            case ["history", *_]:
                text = json.dumps([{"config": {}, **each} for each in data.get("history", [])])
            case ["export", *_]:
                text = json.dumps({"deployment": data.get("state", {})})
            case ["tag", "get", name, *_] if name not in tags:
                return CommandResult("", f"error: stack tag '{name}' not found for stack", 255)
            case ["tag", "get", name, *_]:
                text = f"{tags[name]}\n"
            case ["tag", "set", name, value, *_]:
                text = ""
                tags[name] = value
            case ["tag", "rm", name, *_]:
                text = ""
                del tags[name]
            case _:
                raise AssertionError(args)
        return CommandResult(text, "", 0)

    def _operation_on(self, args: list[str], data: dict[str, Any], file: Path) -> CommandResult:
        operation = args[0]
        if operation == "up" and data.get("locked"):
            data["locked"] -= 1
            return CommandResult("", _LOCKED, 255)
        applies = operation in ("up", "destroy") and "--preview-only" not in args
        plan, value = data.get("plan", {}), self._read(data)
        for name, op in plan.items():
            self._take(_step("resourcePreEvent", name, op, value))
            if applies:
                state = data.setdefault("state", {})
                state.setdefault("resources", []).append({name: op, "value": value})
                if data.get("die"):
                    return CommandResult("", "", -9)
            self._take(_step("resOutputsEvent", name, op, value))
        counts = {op: list(plan.values()).count(op) for op in plan.values()}
        said = {"result": "succeeded", "durationSeconds": 1, "resourceChanges": counts}
        self._take({"summaryEvent": said})
        if applies:
            data["history"] = [_applied(args), *data.get("history", [])]
            data["plan"] = {}
        for name, text in ({} if applies else data.pop("edits", {})).items():
            (file.parent / name).write_text(text)
        return CommandResult("", "", 0)

    def _read(self, data: dict[str, Any]) -> str | None:
        if not data.get("reads"):
            return None
        folder = self._target.project_dir
        charts = Charts(folder)
        charts.link(*chart_refs(self._target.config, charts).values())
        files = [folder / name for name in data["reads"]]
        texts = [file.read_bytes() if file.exists() else b"" for file in files]
        return hashlib.sha256(b"\0".join([*texts, data.get("values", "").encode()])).hexdigest()


def _step(event: str, name: str, op: str, value: object) -> dict[str, Any]:
    urn = f"{_URN}{name}"
    kind = "vault:index/policy:Policy"
    state: dict[str, Any] = {"urn": urn, "type": kind, "parent": "", "custom": True}
    if value is not None:
        state["inputs"] = {"policy": value}
    metadata = {"op": op, "urn": urn, "type": kind, "old": None, "new": state}
    return {event: {"metadata": metadata}}


def _applied(args: list[str]) -> dict[str, Any]:
    return {
        "kind": {"up": "update"}.get(args[0], args[0]),
        "startTime": "2026-11-21T10:00:00.000Z",
        "endTime": "2026-11-21T10:00:09.000Z",
        "message": args[args.index("--message") + 1],
        "result": "succeeded",
        "environment": {},
        "resourceChanges": {},
    }
