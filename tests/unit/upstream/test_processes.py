"""Several processes on one cache, and processes that end in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import Server, digest, program, tar

PROJECT = Path(__file__).resolve().parents[3]
HELM = program("helm", 300_000)
LAYER = tar({"bin/helm": HELM})
BLOB = f"/v2/acme/helm/blobs/{digest(LAYER)}"


def image(server: Server) -> dict[str, object]:
    return {"image": f"{server.host}/acme/helm:{{version}}", "path": "bin/helm"}


@pytest.fixture
def pushed(upstream: Server) -> Server:
    upstream.push("acme/helm", "1.2.3", [LAYER])
    return upstream


_CHILD = """
import sys
from pathlib import Path
from sandbox import sources
sources.here = lambda: "linux/amd64"
from sandbox.download import download
from sandbox.tools import Tool
print("began", flush=True)
found = download([Tool("helm", "", "1.2.3")], sources.Sources(Path(sys.argv[1])),
                 lambda text: print(text, flush=True))
print(found["helm"])
"""


def child(sandbox: Sandbox) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(sandbox.file)],
        cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_processes_download_a_program_once(pushed: Server, sandbox: Sandbox) -> None:
    """Two `make sandbox`, or two jobs of one machine, share a cache."""
    pushed.pause = 0.05
    sandbox.table(helm=[image(pushed)])
    children = [child(sandbox) for _ in range(2)]
    answers = [each.communicate(timeout=60) for each in children]
    paths = {out.splitlines()[-1] for out, _err in answers}
    assert len(paths) == 1, answers
    assert Path(paths.pop()).read_bytes() == HELM
    assert pushed.paths().count(BLOB) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_leaves_nothing_that_stays(
    pushed: Server, sandbox: Sandbox, number: signal.Signals
) -> None:
    """Ctrl-C takes its half along; what a kill leaves goes with the next download."""
    pushed.pause = 0.3
    sandbox.table(helm=[image(pushed)])
    process = child(sandbox)
    deadline = time.monotonic() + 30
    while BLOB not in pushed.paths() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=20)
    left = sandbox.left()
    assert (left == []) == (number == signal.SIGINT)
    assert all(name.startswith(".fetch-") for name in left)
    pushed.pause = 0.0
    path = sandbox.download("helm")["helm"]
    assert sandbox.left() == sorted([path.name, f".{path.name}.json"])
