"""Keep one operator running while the custom resources it serves exist.

    python -m sandbox.keeper '{"base": ..., "command": [...], "served": {"group/v1": ["kinds"]}}'

An operator started before its CRDs would give up or retry ever more slowly. The keeper asks the API
server every half second, starts the operator as soon as all are served, starts it again when it
ends, and stops it while they are gone.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from bot.clients.https import Client

WAITING_SECONDS = 0.5
RUNNING_SECONDS = 2.0
STOP_SECONDS = 5.0


def served(api: Client, wanted: Mapping[str, Sequence[str]]) -> bool | None:
    """Tell whether the API server serves the wanted plurals; None when it does not answer."""
    for group_version, plurals in wanted.items():
        answer = api.request("GET", f"/apis/{group_version}", seconds=3)
        if answer.status in (0, 429) or answer.status >= 500:
            return None
        names = {each["name"] for each in answer.body["resources"]} if answer.ok else set()
        if not names.issuperset(plurals):
            return False
    return True


def keep(api: Client, command: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> None:
    """Run `command` for as long as this process lives; returns never."""
    child: subprocess.Popen[bytes] | None = None
    try:
        while True:
            there = served(api, wanted)
            if child is not None and child.poll() is not None:
                _say(f"ended with status {child.returncode}")
                child = None
            if there is False and child is not None:
                _say("its custom resources are gone: stopped until they are back")
                _stop(child)
                child = None
            if there and child is None:
                _say("started")
                child = subprocess.Popen(command)
            time.sleep(WAITING_SECONDS if child is None else RUNNING_SECONDS)
    finally:
        if child is not None:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"keeper: {time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main(argument: str) -> None:
    """Read what to keep from `argument` (JSON) and keep it."""
    task = json.loads(argument)
    signal.signal(signal.SIGTERM, _leave)
    pair = (Path(task["cert"]), Path(task["key"]))
    with contextlib.suppress(KeyboardInterrupt):
        keep(Client(task["base"], Path(task["ca"]), pair), task["command"], task["served"])


if __name__ == "__main__":
    main(sys.argv[1])
