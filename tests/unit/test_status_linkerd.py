"""`linkerd check`, run as a program, and its report read as the CLI prints it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.clients.target import Target
from bot.exit_codes import MissingToolError
from bot.mesh.status.linkerd_check import judge
from bot.mesh.status.linkerd_cli import CliCheck, CliError, CliReport, parse, run
from tests.unit.stack_files import REPO
from tests.unit.status_samples import STACK, good, lines, reader

# As linkerd2 pkg/healthcheck prints it: one document for the core, and one for viz.
CORE = {
    "success": False,
    "categories": [
        {
            "categoryName": "kubernetes-api",
            "checks": [{"description": "can query the Kubernetes API", "result": "success"}],
        },
        {
            "categoryName": "linkerd-existence",
            "checks": [
                {
                    "description": "control plane pods are ready",
                    "hint": "https://linkerd.io/2/checks/#l5d-api-control-ready",
                    "error": 'No running pods for "linkerd-identity"',
                    "result": "error",
                }
            ],
        },
    ],
}
VIZ = {"success": True, "categories": None}
Program = Callable[[str], Target]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A target on whose PATH `linkerd` is a script."""

    def make(script: str) -> Target:
        file = tmp_path / "linkerd"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        config = good().config
        assert config.cluster is not None
        cluster = config.cluster.model_copy(update={"kubeconfig": "k", "context": "c"})
        config = config.model_copy(update={"cluster": cluster})
        return Target(STACK, REPO, config, None, {"PATH": path})

    return make


def printing(*documents: Any, code: int = 0, version: str = "edge-26.6.3") -> str:
    """A CLI that says its version, and prints its arguments to stderr and these documents."""
    texts = "\n".join(json.dumps(each, indent=2) for each in documents)
    return (
        f'[ "$1" = version ] && echo {version} && exit 0\n'
        f'echo "$@" > "$0.words"\ncat <<"END"\n{texts}\nEND\nexit {code}'
    )


def test_the_report_of_core_and_extensions_is_read(program: Program, tmp_path: Path) -> None:
    """The CLI prints one document after the other, which no JSON parser takes at once."""
    found = run(program(printing(CORE, VIZ, CORE, code=1)), "edge-26.6.3")
    assert (found.version, found.cut, len(found.checks)) == ("edge-26.6.3", "", 4)
    assert found.checks[1].category == "linkerd-existence"
    assert found.checks[1].hint.endswith("#l5d-api-control-ready")
    words = (tmp_path / "linkerd.words").read_text().split()
    assert words == [
        "check", "--output=json", "--wait=0s", "--expected-version=edge-26.6.3",
        f"--kubeconfig={(REPO / 'k').resolve()}", "--context=c",
    ]  # fmt: skip


def test_a_cli_that_is_not_there_was_not_asked(program: Program) -> None:
    """Those checks were not made, which is no fault of the mesh."""
    target = replace(program("exit 0"), environment={"PATH": "/nowhere"})
    with pytest.raises(MissingToolError, match="linkerd is not on PATH"):
        run(target, "edge-26.6.3")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (printing("text", code=1), "ended with exit code 1"),
        (printing(code=1).replace("cat", "echo it is broken >&2; cat"), "it is broken"),
        (printing({"categories": [{"checks": [{}]}]}), "check: ended with exit code 0"),
        ("exit 3", "linkerd version: ended with exit code 3"),
    ],
)
def test_a_cli_without_a_report_says_what_it_said(program: Program, script: str, said: str) -> None:
    """Its silence must not be taken for no fault."""
    with pytest.raises(CliError, match=said):
        run(program(script), "edge-26.6.3")


def test_a_cli_that_hangs_is_ended_with_all_that_it_began(program: Program, tmp_path: Path) -> None:
    """It runs itself again for an extension, and that one may wait for a dead cluster."""
    script = printing(CORE).replace("exit 0", "exit 0", 1)
    hanging = script.rpartition("exit")[0] + f"sh -c 'echo $$ > {tmp_path}/pid; sleep 60' & wait"
    found = run(program(hanging), "edge-26.6.3", seconds=3)
    assert (found.cut, len(found.checks)) == ("its time was over", 2)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while (
        Path(f"/proc/{child}/cmdline").is_file()
        and b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes()
    ):
        assert time.monotonic() < deadline, "the extension lives on"


def test_each_failure_is_a_line_with_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the CLI is a fault of the mesh, and a report that was cut is not whole."""
    facts = reader(monkeypatch)(good())
    report = CliReport("edge-26.1.1", tuple(parse(json.dumps(CORE))), "its time was over")
    facts = replace(facts, sources={**facts.sources, "linkerd check": report})
    found = [line.result for line in lines(facts, "linkerd-check/report")]
    assert [each.state for each in found] == ["fail", "ok", "unknown"]
    assert found[0].next == "https://linkerd.io/2/checks/#l5d-api-control-ready"
    assert found[1].seen == "1 of 2 checks of linkerd edge-26.1.1 hold"
    (skew,) = lines(facts, "versions/cli")
    assert (skew.result.state, skew.result.next) == ("warn", "install linkerd edge-26.6.3")


@pytest.mark.parametrize(
    ("check", "simulated", "state"),
    [
        (("linkerd-identity", "issuer cert is valid for at least 60 days", "warning"), False,
         "skipped"),
        (("linkerd-identity", "issuer cert is within its validity period", "error"), False, "fail"),
        (("linkerd-viz", "linkerd-viz pods are injected", "warning"), False, "warn"),
        (("linkerd-viz", "linkerd-viz pods are injected", "warning"), True, "skipped"),
        (("linkerd-existence", "no unschedulable pods", "warning"), True, "warn"),
        (("linkerd-new", "what nobody knew of", "error"), True, "fail"),
    ],
)  # fmt: skip
def test_what_is_so_by_design_or_cannot_hold_is_told_apart(
    check: tuple[str, str, str], simulated: bool, state: str
) -> None:
    """A warning that is always there hides the one that is not."""
    found = judge(CliCheck(*check, error="said\n\tso"), simulated=simulated)
    assert found.state == state
    assert ("said so" in found.seen) is (state != "skipped")
