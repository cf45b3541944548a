"""`bot policy suggest|check`: arguments, exit codes, and what is printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli.dispatch import main
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, MISSING_TOOL, REFUSED
from bot.mesh.authorization import command
from bot.mesh.authorization.model import Call, RunningNamespace
from stack import rules
from tests.unit.authorization_samples import FOO, SHOP, call, config, identity, service
from tests.unit.fake_prometheus import fake_prometheus
from tests.unit.whole_program import project

OWN, OTHER = identity("shop", "bar"), identity("web", "cart")
BAR = {"serviceAccounts": ["bar"]}
PROMETHEUS = ("--prometheus", "http://127.0.0.1:9")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command over calls that were seen; gives exit code, stdout and stderr."""

    def runner(
        made: Any, calls: list[Call], *words: str, running: RunningNamespace = SHOP
    ) -> tuple[int, str, str]:
        target = Target("test", project(), made, None, {})
        monkeypatch.setattr("bot.engine.target.of", lambda _: target)
        monkeypatch.setattr(command, "cluster", nothing)
        monkeypatch.setattr(
            "bot.mesh.authorization.reader.read",
            lambda _, name: dataclasses.replace(running, name=name),
        )
        monkeypatch.setattr(
            "bot.mesh.authorization.observed.calls",
            lambda _, name, __: [each for each in calls if each.namespace == name],
        )
        code = main(["policy", *words[:1], "--stack", "test", *words[1:]])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return runner


@contextmanager
def nothing(_: Target) -> Iterator[None]:
    """No API server: what runs is given."""
    yield None


DENY = ("--default-inbound-policy", "deny")


def test_check_refuses_where_somebody_would_be_denied(run: Any) -> None:
    """And names client, port and reason."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    code, out, _ = run(made, [call(OWN), call(OTHER)], "check", *PROMETHEUS)
    assert code == REFUSED
    assert f"denied: {OTHER} -> shop deployment/foo:8080, 3 requests: no rule names it\n" in out
    assert out.endswith("clients at ports: 1 allowed, 0 unknown, 1 denied\n")


def test_a_client_is_named_once_whatever_let_it_in_until_now(run: Any) -> None:
    """Rules and routes have changed within the days looked at; proxies count under each apart."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    before = [call(OTHER), call(OTHER, authorization="default/all"), call(OTHER, route="r")]
    code, out, _ = run(made, before, "check", *PROMETHEUS)
    assert code == REFUSED
    assert out == (
        f"denied: {OTHER} -> shop deployment/foo:8080, 9 requests: no rule names it\n"
        "clients at ports: 0 allowed, 0 unknown, 1 denied\n"
    )


def test_check_is_done_where_nobody_would(run: Any) -> None:
    """Who is denied already is told, and holds up nothing."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    code, out, _ = run(made, [call(OWN), call(OTHER, outcome="deny")], "check", *PROMETHEUS)
    assert code == DONE
    assert "(is denied today already)" in out


def test_check_takes_the_next_default_policy_before_it_is_written(run: Any) -> None:
    """The stack file stays at audit until the answer is good."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    assert run(made, [call(OTHER)], "check", *PROMETHEUS)[0] == DONE
    assert run(made, [call(OTHER)], "check", *DENY, *PROMETHEUS)[0] == REFUSED


def test_a_default_policy_that_is_asked_about_is_checked_as_if_it_were_written(run: Any) -> None:
    """A probe that `deny` would deny is found before the stack file says deny, and so is a rule."""
    made = config(service(allow=[BAR], probes=["/other"]), defaultInboundPolicy="audit")
    assert run(made, [call(OWN)], "check", *PROMETHEUS)[0] == DONE
    code, _, err = run(made, [call(OWN)], "check", *DENY, *PROMETHEUS)
    assert code == BAD_INPUT
    assert "the kubelet probes /healthz, which default inbound policy 'deny' would deny" in err
    code, _, err = run(
        config(service(), defaultInboundPolicy="audit"),
        [],
        "check",
        *DENY,
        *PROMETHEUS,
    )
    assert code == BAD_INPUT
    assert "nobody could call 8080 of 'foo'" in err


def test_what_loading_has_filled_in_is_no_fault_of_the_default_policy(run: Any) -> None:
    """A certificate is read from its file, and then there are two keys where one may be."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    filled = made.vault.model_copy(update={"ca_file": "ca.pem", "ca_pem": "read from it"})
    both = made.model_copy(update={"vault": filled})
    assert rules.check(both) != []
    assert run(both, [call(OWN)], "check", *DENY, *PROMETHEUS)[0] == DONE


def test_a_service_keeps_its_own_default_policy_when_its_namespace_is_asked_about(run: Any) -> None:
    """It would not change by that, so nobody would be denied there."""
    own = {**service(allow=[BAR]), "defaultInboundPolicy": "audit"}
    made = config(own, defaultInboundPolicy="audit")
    assert run(made, [call(OTHER)], "check", *DENY, *PROMETHEUS)[0] == DONE
    made = config({**own, "defaultInboundPolicy": "deny"}, defaultInboundPolicy="audit")
    assert run(made, [call(OTHER)], "check", *PROMETHEUS)[0] == REFUSED


def test_the_clusters_default_policy_concerns_every_meshed_namespace(run: Any) -> None:
    """Who forgets the namespaces without a policy denies there first."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    assert command.namespaces(Target("t", project(), made, None, {}), None) == ["shop"]
    update = {"default_inbound_policy": "all-authenticated"}
    stricter = made.model_copy(update={"linkerd": made.linkerd.model_copy(update=update)})
    found = command.namespaces(Target("t", project(), stricter, None, {}), None)
    assert found == ["shop", "web"]
    calls = [call(""), call("", namespace="web")]
    code, out, _ = run(stricter, calls, "check", *PROMETHEUS)
    assert code == REFUSED
    assert "denied: a client without mTLS -> web deployment/foo:8080" in out
    assert out.endswith("clients at ports: 1 allowed, 0 unknown, 1 denied\n")


def test_a_namespace_that_serves_nothing_may_be_silent(run: Any) -> None:
    """Nobody calls a worker, and nobody ever will."""
    bare = dataclasses.replace(FOO, ports={}, probes={})
    quiet = dataclasses.replace(SHOP, workloads=(bare,), services=())
    made = config(defaultInboundPolicy="deny")
    code, out, _ = run(made, [], "check", *PROMETHEUS, running=quiet)
    assert (code, "no call was seen" in out) == (DONE, False)
    assert run(made, [], "check", *PROMETHEUS)[0] == REFUSED


def test_check_refuses_where_no_call_was_seen(run: Any) -> None:
    """Silence is a Prometheus that does not scrape as often as a service that nobody calls."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    code, out, _ = run(made, [], "check", *PROMETHEUS)
    assert code == REFUSED
    assert "shop: no call was seen, so nothing is known of its clients" in out


def test_policies_that_do_not_fit_are_bad_input(run: Any) -> None:
    """With the key of the stack file and the fix."""
    wrong = service(allow=[BAR])
    wrong["ports"][0]["port"] = 80
    code, _, err = run(
        config(wrong, defaultInboundPolicy="deny"), [call(OWN)], "check", *PROMETHEUS
    )
    assert code == BAD_INPUT
    assert "policy.namespaces.shop.services[0].ports[0].port: no Service has port 80" in err


def test_json_is_one_document(run: Any) -> None:
    """For a pipeline, which must not read prose."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    code, out, _ = run(made, [call(OTHER)], "check", "--json", *PROMETHEUS)
    document = json.loads(out)
    assert code == REFUSED
    (seen,) = document["calls"]
    assert (seen["client"], seen["port"], seen["outcome"]) == (OTHER, 8080, "denied")
    assert document["silent"] == []


def test_suggest_prints_a_section_and_changes_nothing(run: Any) -> None:
    """It can be put into the stack file as it is."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    code, out, _ = run(made, [call(OTHER)], "suggest", *PROMETHEUS)
    assert code == DONE
    shop = yaml.safe_load(out)["linkerd-platform:policy"]["namespaces"]["shop"]
    assert shop["services"][0]["ports"][0]["allow"] == [{"serviceAccounts": ["bar", "web/cart"]}]
    code, out, _ = run(made, [], "suggest", *PROMETHEUS)
    assert "no call was seen" in out


def test_suggest_as_a_document_has_the_section_and_the_notes(run: Any) -> None:
    """The same as the text, for a pipeline that opens the pull request."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    code, out, _ = run(made, [call(OTHER), call("")], "suggest", "--json", *PROMETHEUS)
    document = json.loads(out)
    assert code == DONE
    text = run(made, [call(OTHER), call("")], "suggest", *PROMETHEUS)[1]
    assert document["policy"] == yaml.safe_load(text)["linkerd-platform:policy"]
    (note,) = document["notes"]["shop"]
    assert "it has no mesh identity" in note
    code, out, _ = run(made, [call(OWN)], "suggest", "--json", *PROMETHEUS)
    assert (code, json.loads(out)) == (DONE, {"policy": None, "notes": {"shop": []}})


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("--prometheus", "ftp://a"), BAD_INPUT, "--prometheus 'ftp://a' is not an address"),
        ((*PROMETHEUS, "--window", "7"), BAD_INPUT, "--window '7' is not a duration"),
        ((*PROMETHEUS, "--namespace", "x"), BAD_INPUT, "there are off, shop, web"),
        ((), MISSING_TOOL, "kubectl -n linkerd-viz port-forward svc/prometheus 9090"),
    ],
)
def test_bad_input_is_one_line_with_the_fix(
    words: tuple[str, ...], code: int, part: str, run: Any
) -> None:
    """Before anything is asked."""
    found, out, err = run(config(service(allow=[BAR])), [], "check", *words)
    assert (found, out) == (code, "")
    assert part in err
    assert err.count("\n") == 1


def test_a_stack_without_policies_needs_a_namespace(run: Any) -> None:
    """The first look is before anything is written."""
    made = config().model_copy(update={"policy": type(config().policy)()})
    code, _, err = run(made, [], "suggest", *PROMETHEUS)
    assert code == BAD_INPUT
    assert "give --namespace" in err
    assert run(made, [call(OWN)], "suggest", "--namespace", "shop", *PROMETHEUS)[0] == DONE


def test_a_prometheus_that_refuses_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No answer is no proof that nobody is denied."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="deny")
    monkeypatch.setattr("bot.engine.target.of", lambda _: Target("t", Path(), made, None, {}))
    monkeypatch.setattr(command, "cluster", nothing)
    monkeypatch.setattr("bot.mesh.authorization.reader.read", lambda _, __: SHOP)
    with fake_prometheus(lambda _: {"status": "error", "error": "broken"}, 503) as url:
        assert main(["policy", "check", "--stack", "t", "--prometheus", url]) == FAILED
    assert "broken" in capsys.readouterr().err


def test_the_old_name_of_the_policy_works_and_says_the_new_one(run: Any) -> None:
    """Scripts have `--rung`; it goes in a later release."""
    made = config(service(allow=[BAR]), defaultInboundPolicy="audit")
    code, _, err = run(made, [call(OTHER)], "check", "--rung", "deny", *PROMETHEUS)
    assert code == REFUSED
    assert "--rung is now called --default-inbound-policy\n" in err
