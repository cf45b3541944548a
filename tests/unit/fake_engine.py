"""A program that behaves as the engine's command line does, for tests of what runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.clients.target import Target
from bot.engine import Engine
from stack.load import from_file
from tests.unit.stack_files import REPO

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


def engine(folder: Path, body: str) -> Engine:
    """An engine whose every run is `body`; see the head of the program for what it can use."""
    program = folder / "bin" / "pulumi"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"{_HEAD}\n{body}")
    program.chmod(0o755)
    return Engine(str(program), "v3.260.0")


def target(folder: Path) -> Target:
    """A stack to run it on."""
    config = from_file(REPO / "Pulumi.trust.yaml")
    return Target("trust", folder, config, None, {})
