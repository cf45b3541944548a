"""Verdicts over the fleet, the end of a key, and what the commands print."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli.dispatch import main
from bot.clients.target import Target
from bot.deploy import trust_command as trust
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED, BotError
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import reader as trust_reader
from bot.mesh.trust.decide import decide
from bot.mesh.trust.destroy import refusals
from bot.mesh.trust.fleet import Gathered
from bot.mesh.trust.model import TrustState
from bot.mesh.trust.text import left_text, status_document, status_lines
from stack.config import StackConfig
from tests.unit.bot_trust_samples import HOUR, NOW, kept, pod, root, seen
from tests.unit.test_bot_trust_fleet import config

BOTH = config("a", "b", signing="a")


def gathered(
    *clusters: TrustState, configs: dict[str, StackConfig] | None = None, **more: Any
) -> Gathered:
    own = configs or {each.stack: BOTH for each in clusters}
    return Gathered(own, "trust", {each.stack: each for each in clusters}, **more)


def test_a_step_is_unsafe_while_another_cluster_is_not_ready() -> None:
    """Pods of both talk to each other: the bundle must be everywhere before the first leaf."""
    ready, not_yet = seen("a", "b", stack="x"), seen("a", stack="y")
    verdicts = decide(gathered(ready, not_yet), "x")
    assert [(each.stack, each.step, each.safe) for each in verdicts] == [
        ("x", "switch", True),
        ("y", "switch", False),
    ]
    assert verdicts[1].reasons == ("ConfigMap lacks anchor b: it holds a",)


def test_what_cannot_be_read_is_unsafe() -> None:
    """A cluster that does not answer may hold anything."""
    found = gathered(seen("a", "b", stack="x"), unread={"y": "no answer"})
    verdicts = decide(found, "x")
    assert [each.safe for each in verdicts] == [True, False]
    with pytest.raises(BotError, match="y: no answer"):
        decide(Gathered({"y": BOTH}, "trust", unread={"y": "no answer"}), "y")


def test_one_certificate_too_many_is_unsafe_for_every_step() -> None:
    """A generation that is two certificates cannot be rotated."""
    found = gathered(seen("a", "b", stack="x"), mismatches=("a is not one certificate",))
    assert decide(found, "x")[0].reasons == ("a is not one certificate",)


def test_switch_and_retire_in_one_change_are_unsafe() -> None:
    """Leaves of the old issuer live on after the switch."""
    file = config("a", "b", signing="b", retired=("a",))
    (verdict,) = decide(gathered(seen("a", "b", stack="x"), configs={"x": file}), "x")
    assert verdict.step == "switch"
    assert "stops trusting a in the same change" in verdict.reasons[0]


def test_the_owner_s_question_is_for_every_cluster() -> None:
    """It has none of its own."""
    owner = config("a", "b", signing="b", role="trust")
    found = gathered(seen("a", "b", stack="x"), configs={"trust": owner, "x": BOTH})
    assert [each.stack for each in decide(found, "trust")] == ["x"]


RETIRED = config("a", "b", signing="b", retired=("a",))
STEADY = seen("b", signer="b", stack="x", anchors=("b",))


def test_a_key_that_nobody_needs_can_be_destroyed() -> None:
    """The one case without a reason against it."""
    found = gathered(STEADY, configs={"x": RETIRED}, kept=(kept("a"), kept("b")))
    assert refusals("a", found) == []


@pytest.mark.parametrize(
    ("cluster", "file", "more", "said"),
    [
        (STEADY, config("a", "b", signing="b"), {}, "Pulumi.x.yaml trusts it"),
        (STEADY, config("a", "b", signing="a"), {}, "Pulumi.x.yaml signs with it"),
        (seen("a", "b", signer="b", stack="x"), RETIRED, {}, "x: the bundle has it"),
        (seen("b", signer="a", stack="x"), RETIRED, {}, "x: the identity issuer is signed by it"),
        (STEADY, RETIRED, {"unread": {"y": "no answer"}}, "y could not be read: no answer"),
        (STEADY, RETIRED, {"kept": ()}, "nothing can be ruled out"),
    ],
)
def test_a_key_stays_while_anything_may_need_it(
    cluster: TrustState, file: StackConfig, more: dict[str, Any], said: str
) -> None:
    """It cannot be made again."""
    found = gathered(cluster, configs={"x": file}, **{"kept": (kept("a"),), **more})
    assert any(said in reason for reason in refusals("a", found))


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=365), "365.0 d"),
        (timedelta(hours=48), "48.0 h"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(seconds=90), "90 s"),
        (timedelta(0), "ended, 0 s"),
    ],
)
def test_time_left_is_said_in_the_unit_that_matters(span: timedelta, text: str) -> None:
    """0.0 days would hide the last hour."""
    assert left_text(span) == text


def test_status_says_the_same_to_people_and_to_programs() -> None:
    """And neither has a private key."""
    old = pod("web", mark="0" * 64)
    cluster = seen("a", "b", stack="x")
    found = gathered(replace(cluster, pods=(*cluster.pods, old)), kept=(kept("a"), kept("b")))
    text, document = "\n".join(status_lines(found)), status_document(found)
    (shown,) = document["clusters"]
    assert shown["stage"] == "added"
    assert shown["signer"] == "a"
    assert shown["pods"] == {"controlPlane": 3, "meshed": 1, "oldBundle": ["shop/web"]}
    assert [each["generation"] for each in shown["bundle"]["anchors"]] == ["a", "b"]
    assert "cluster x (stack x): added, signed by a" in text
    assert "old bundle: shop/web (Deployment web)" in text
    assert "not readable (status 503)" in text
    assert "PRIVATE KEY" not in text + json.dumps(document)


def use(monkeypatch: pytest.MonkeyPatch, found: Gathered, file: StackConfig = BOTH) -> None:
    target = Target("x", Path(), file, None, {})
    monkeypatch.setattr(trust_fleet, "target_of", lambda _stack: target)
    monkeypatch.setattr(trust_fleet, "gather", lambda _target: found)
    monkeypatch.setattr(trust_reader, "read", lambda _target: found.seen["x"])
    monkeypatch.setattr(trust_reader, "held", lambda *_: {})


def test_check_exits_4_when_unsafe_and_0_when_safe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline reads the exit code."""
    use(monkeypatch, gathered(seen("a", "b", stack="x")))
    assert main(["trust", "check", "--stack", "x"]) == DONE
    assert capsys.readouterr().out.startswith("x: switch to b: safe\n")
    use(monkeypatch, gathered(seen("a", stack="x")))
    assert main(["trust", "check", "--stack", "x", "--json"]) == REFUSED
    document = json.loads(capsys.readouterr().out)
    assert document["safe"] is False
    assert document["verdicts"][0]["reasons"] == ["ConfigMap lacks anchor b: it holds a"]
    steady = config("a", signing="a")
    use(monkeypatch, gathered(seen("a", stack="x"), configs={"x": steady}), steady)
    assert main(["trust", "check", "--stack", "x", "--step", "switch"]) == BAD_INPUT


def test_status_exits_1_when_something_is_not_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that is left out must not look like one that is well."""
    use(monkeypatch, gathered(seen("a", "b", stack="x")))
    assert main(["trust", "status", "--stack", "x"]) == DONE
    use(monkeypatch, gathered(seen("a", "b", stack="x"), unread={"Vault": "no answer"}))
    assert main(["trust", "status", "--stack", "x"]) == FAILED


def test_the_restart_plan_prints_and_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What restarts production is for a human, or for a job of theirs."""
    cluster = seen("a", "b", stack="x", changed=NOW - HOUR / 2)
    use(monkeypatch, gathered(replace(cluster, pods=(*cluster.pods, pod("web")))))
    assert main(["trust", "restart-plan", "--stack", "x"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# 1. proxy injector")
    assert lines[-3].endswith("-n shop rollout status deployment/web --timeout=15m || not_up=1")
    assert lines[-1] == 'test -z "${not_up:-}"'


def test_destroy_key_wants_the_name_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command from the shell's history must not destroy another key."""
    use(monkeypatch, gathered(STEADY), RETIRED)
    words = ["trust", "destroy-key", "--stack", "x", "--generation", "a", "--yes-destroy", "b"]
    assert main(words) == BAD_INPUT
    assert "must be the generation a" in capsys.readouterr().err


def test_help_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """The pages are checked against it."""
    with pytest.raises(SystemExit):
        main(["trust", "--help"])
    text = capsys.readouterr().out
    for option in ("--all", "--step", "--certificate", "--key", "--yes-destroy"):
        assert option in text
    assert root("a").pem not in text
    assert trust.add.__doc__
