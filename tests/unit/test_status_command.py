"""`bot status`: exit codes, one screen of words, one document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.cli import dispatch
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED
from bot.mesh.status import sources, text
from bot.mesh.status.model import CheckResult, Line, StatusReport, ok, skipped, warn
from bot.mesh.status.sources import WantedSources
from bot.mesh.trust import fleet as trust_fleet
from tests.unit import status_faults as f
from tests.unit.stack_files import REPO
from tests.unit.status_samples import STACK, Mesh, good, reader

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a mesh that a test makes up."""
    read = reader(monkeypatch)

    def body(*words: str, mesh: Mesh | None = None) -> int:
        chosen = mesh or good()
        facts = read(chosen)
        target = Target(STACK, REPO, chosen.config, None, {})
        monkeypatch.setattr(trust_fleet, "target_of", lambda _: target)
        asked: list[WantedSources] = []
        monkeypatch.setattr(sources, "read", lambda _, wanted, _stop: asked.append(wanted) or facts)
        code = dispatch.main(["status", "--stack", STACK, *words])
        body.wanted = asked[0]  # type: ignore[attr-defined]
        monkeypatch.undo()
        reader(monkeypatch)
        return code

    return body


def spoilt(*spoils: f.Spoil) -> Mesh:
    """A mesh with these faults."""
    mesh = good()
    for spoil in spoils:
        spoil(mesh)
    return mesh


def test_exit_code_says_healthy_or_not(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipeline and a cron job stop by it; a warning calls nobody."""
    assert run() == DONE
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "stack test, cluster test: healthy"
    assert last.startswith("healthy: 0 failed, 0 unknown, 0 to look at")
    assert run(mesh=spoilt(f.drop(f.ROLES, "linkerd-tap-injector"))) == REFUSED
    assert "not healthy: 1 failed" in capsys.readouterr().out
    assert run(mesh=spoilt(f.set_(f.NODES, "b", "status", value=f.not_true()))) == DONE
    unread = spoilt(lambda mesh: setattr(mesh, "vault", None))
    assert run(mesh=unread) == FAILED
    assert "undetermined: 0 failed, 1 unknown" in capsys.readouterr().out
    both = spoilt(f.drop(f.ROLES, "linkerd-tap-injector"), lambda m: setattr(m, "vault", None))
    assert run(mesh=both) == REFUSED


def test_what_is_wrong_has_what_to_do_next(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """One screen: a line per subject, and below it what does not hold."""
    none = f.set_(f.DEPLOYMENTS, "linkerd-identity", "status", "availableReplicas", value=0)
    run(mesh=spoilt(none))
    said = capsys.readouterr().out
    assert "  FAIL     deployments: no replica available: linkerd-identity\n" in said
    assert "           next: docs/runbooks/alerts/control-plane.md\n" in said
    assert "crds: " not in said
    assert len(said.splitlines()) < 40
    run("--verbose")
    assert "  ok       crds: 10 served\n" in capsys.readouterr().out


def test_one_document_has_every_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs, with what to do next."""
    assert run("--json", mesh=spoilt(f.drop(f.ROLES, "linkerd-tap-injector"))) == REFUSED
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == 1
    assert (document["stack"], document["healthy"]) == ("test", False)
    assert document["counts"]["fail"] == 1
    assert sum(document["counts"].values()) == len(document["checks"])
    (failed,) = [each for each in document["checks"] if each["state"] == "fail"]
    assert failed["check"] == "extensions/viz-roles"
    assert failed["next"] == "python -m bot up --stack test"


def test_options_say_what_is_asked(run: Run) -> None:
    """The engine is asked for drift where somebody wants it, and the CLI runs unless told not."""
    run()
    assert run.wanted == WantedSources(None, drift=False, cli=True)  # type: ignore[attr-defined]
    run("--drift", "--no-linkerd-check", "--prometheus", "http://prometheus:9090")
    assert run.wanted == WantedSources("http://prometheus:9090", drift=True, cli=False)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--stack"),
        (["--stack", "stagin"], "did you mean 'staging'?"),
        (["--stack", "a/b/c/d"], "write STACK or ORGANIZATION/STACK"),
        (["--stack", "staging", "--prometheus", "prometheus:9090"], "--prometheus"),
        (["--stack", "staging", "--force"], "unknown argument '--force'"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, with what to write instead."""
    try:
        code: Any = dispatch.main(["status", *words])
    except SystemExit as ended:
        code = ended.code
    assert code == BAD_INPUT
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_reason_is_told_once() -> None:
    """Sixty checks lack the same API server: one line says so."""
    lines = [
        Line(f"{s}/{n}", CheckResult("unknown", "no answer")) for s in ("a", "b") for n in "xy"
    ]
    told = text.lines(StatusReport("s", "c", lines))
    assert sum("no answer" in line for line in told) == 1
    assert [line.split()[:2] for line in told[1:4:2]] == [["a", "unknown"], ["b", "unknown"]]


def test_a_subject_that_nobody_looked_at_says_why() -> None:
    """A section that is missing would be taken for one that holds."""
    lines = [Line("a/x", skipped("off")), Line("a/y", skipped("off")), Line("b/x", ok("fine"))]
    assert text.lines(StatusReport("s", "", [*lines, Line("b/y", warn("odd", "look"))]))[:4] == [
        "stack s: healthy",
        f"{'a':15} -        off",
        f"{'b':15} warn     1 of 2 hold; fine",
        "  warn     y: odd",
    ]
