"""`bot status --all`: a line for each stack, and none that hides another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bot import stacks
from bot.cli import dispatch
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED, BadInputError
from bot.mesh.status import fleet, judge, sources, table
from bot.mesh.status.model import CheckResult, Line, StatusReport, fail, ok, skipped, warn
from bot.mesh.status.sources import WantedSources
from bot.mesh.trust import fleet as trust_fleet
from schema.faults import ConfigError, Fault
from stack.fleet import read

GOOD = [Line("kubernetes/api", ok("it answers")), Line("drift/drift", skipped("not asked for"))]
LOST = [Line("control-plane/deployments", fail("no replica: linkerd-identity", "docs/a.md"))]
AWAY = [Line("kubernetes/api", CheckResult("unknown", "https://k does not answer"))]
ODD = [Line("kubernetes/nodes", warn("not ready: b", "kubectl describe nodes b"))]
World = dict[str, Any]


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Lines of each stack, or what is raised for it; none says that all is well."""
    given: World = {}

    def read_one(target: Target, _wanted: WantedSources, _stop: Any) -> str:
        found = given.get(target.stack)
        if isinstance(found, Exception):
            raise found
        return target.stack

    monkeypatch.setattr(sources, "read", read_one)
    monkeypatch.setattr(judge, "judge", lambda stack: given.get(stack, GOOD))
    return given


def test_all_are_the_stacks_of_the_fleet_in_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each as `--stack` tells it, in the order of fleet.yaml."""
    assert dispatch.main(["status", "--all", "--json"]) == DONE
    captured = capsys.readouterr()
    documents = json.loads(captured.out)
    found = read(stacks.PROJECT_DIR)
    assert found is not None
    assert [each["stack"] for each in documents] == list(found.stacks)
    assert all(each["healthy"] and each["format"] == 1 for each in documents)
    assert sorted(captured.err.splitlines()) == sorted(f"{name}: healthy" for name in found.stacks)


def test_the_table_has_a_line_for_each_stack_with_the_first_thing_to_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """One screen for ten clusters; what is worst comes first, and details are asked for."""
    world.update(staging=[*ODD, *GOOD], production=[*GOOD, *ODD, *AWAY, *LOST])
    assert dispatch.main(["status", "--all"]) == REFUSED
    heads, trust, staging, production, last = capsys.readouterr().out.splitlines()
    assert heads.split() == ["stack", "cluster", "outcome", "failed", "unknown", "first"]
    assert trust.split() == ["trust", "-", "healthy", "0", "0"]
    assert "kubernetes/nodes: not ready: b; next: kubectl describe nodes b" in staging
    assert production.split()[:6] == ["production", "production", "not", "healthy", "1", "1"]
    assert production.endswith(
        "control-plane/deployments: no replica: linkerd-identity; next: docs/a.md"
    )
    assert last.startswith("3 stacks: 1 not healthy, 0 undetermined, 2 healthy; ")
    assert dispatch.main(["status", "--all", "--verbose"]) == REFUSED
    told = capsys.readouterr().out
    assert "stack production, cluster production: not healthy\n" in told
    assert "stack staging, cluster staging: healthy\n" in told


@pytest.mark.parametrize(
    ("staging", "production", "code"),
    [
        (GOOD, GOOD, DONE),
        (GOOD, ODD, DONE),
        (AWAY, GOOD, FAILED),
        (LOST, GOOD, REFUSED),
        (AWAY, LOST, REFUSED),
        (LOST, AWAY, REFUSED),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    world: World, staging: Any, production: Any, code: int
) -> None:
    """One that is not healthy wants somebody now, whatever else is not known."""
    world.update(staging=staging, production=production)
    assert dispatch.main(["status", "--all"]) == code


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInputError("no token\nfor Vault"), "no token (and 1 more)"),
        (RuntimeError("odd"), "RuntimeError: odd"),
        (BadInputError("https://a:hunter22@vault is away"), "vault is away"),
    ],
)
def test_a_stack_that_cannot_be_read_is_told_and_hides_no_other(
    world: World, error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not healthy, and those after it are looked at."""
    world["staging"] = error
    assert dispatch.main(["status", "--all", "--json"]) == FAILED
    documents = {each["stack"]: each for each in json.loads(capsys.readouterr().out)}
    assert documents["production"]["healthy"] is True
    broken = documents["staging"]
    assert (broken["healthy"], broken["outcome"]) == (False, "undetermined")
    (line,) = broken["checks"]
    assert said in line["seen"]
    assert "hunter22" not in line["seen"]
    assert line["next"] == "python -m bot status --stack staging"


def test_a_faulty_stack_file_is_one_of_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file of one is no reason to say nothing of the others."""
    whole: Callable[..., Target] = trust_fleet.target_of

    def target_of(stack: str, *_: Any) -> Target:
        if stack == "production":
            raise ConfigError(stacks.file_of(stack), [Fault(("vault",), "is missing")])
        return whole(stack)

    monkeypatch.setattr(trust_fleet, "target_of", target_of)
    assert dispatch.main(["status", "--all"]) == FAILED
    told = capsys.readouterr().out
    (row,) = [line for line in told.splitlines() if line.startswith("production")]
    assert "undetermined" in row
    assert "Pulumi.production.yaml" in row
    assert "1 undetermined, 2 healthy" in told


def test_what_is_asked_is_asked_of_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And an interrupt ends what runs for any of them: all have one event."""
    asked: list[tuple[str, WantedSources, threading.Event]] = []

    def read_one(target: Target, wanted: WantedSources, stop: threading.Event) -> str:
        asked.append((target.stack, wanted, stop))
        return target.stack

    monkeypatch.setattr(sources, "read", read_one)
    words = ["--drift", "--no-linkerd-check", "--prometheus", "http://prometheus:9090"]
    assert dispatch.main(["status", "--all", "--parallel", "1", *words]) == DONE
    capsys.readouterr()
    assert [stack for stack, _, _ in asked] == ["trust", "staging", "production"]
    assert {wanted for _, wanted, _ in asked} == {
        WantedSources("http://prometheus:9090", drift=True, cli=False)
    }
    assert len({id(stop) for _, _, stop in asked}) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all", "--stack", "staging"], "not allowed with"),
        (["--all", "--parallel", "0"], "'0': must be a whole number above 0"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before anything is looked at."""
    with pytest.raises(SystemExit) as ended:
        dispatch.main(["status", *words])
    assert ended.value.code == BAD_INPUT
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_project_without_a_fleet_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of nothing would be healthy."""
    monkeypatch.setattr(trust_fleet.fleet, "read", lambda _folder: None)
    assert dispatch.main(["status", "--all"]) == BAD_INPUT
    assert "fleet.yaml" in capsys.readouterr().err


def test_a_long_reason_is_cut_and_its_next_step_is_not() -> None:
    """A line is a line; the report of that stack has all of it."""
    line = Line("a/b", fail("x" * 500, "docs/a.md"))
    row = table.lines([StatusReport("s", "c", [line])])[1]
    assert len(row) < 160
    assert row.endswith("...; next: docs/a.md")


def test_no_reports_are_no_fault() -> None:
    """The exit code of none is that of all being well."""
    assert fleet.exit_code([]) == DONE
