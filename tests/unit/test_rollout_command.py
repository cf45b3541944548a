"""`bot rollout`: exit codes, and nothing restarted that nobody asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.cli import dispatch
from bot.clients.target import Target
from bot.exit_codes import BAD_INPUT, DONE, FAILED, REFUSED
from bot.mesh.rollout import command, reader, restart
from bot.mesh.rollout.model import RolloutState
from bot.mesh.rollout.restart import RestartError
from bot.stacks import PROJECT_DIR
from tests.unit import rollout_samples
from tests.unit.rollout_samples import config, namespace, pod, seen

Run = Callable[..., int]
PLAN = ({"state": "on", "namespaces": ["shop"]}, {"namespaces": ["pay"]})
CLUSTER = seen(namespace("shop", "on"), pod("shop", "a", meshed=True), namespace("pay"))
UNSETTLED = seen(namespace("shop", "on"), pod("shop", "a"), pod("shop", "j", kind="Job"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against a cluster that a test makes up."""

    def body(
        *words: str, cluster: RolloutState = CLUSTER, more: Any = None, role: str = "cluster"
    ) -> int:
        made = config(*PLAN, more=more)
        if role == "owner":
            made = made.model_copy(update={"cluster": None})

        @contextmanager
        def client(_: Target) -> Iterator[None]:
            yield None

        monkeypatch.setattr(
            command.trust_fleet,
            "target_of",
            lambda stack: Target(stack, PROJECT_DIR, made, None, {}),
        )
        monkeypatch.setattr(command, "cluster", client)
        monkeypatch.setattr(reader, "read", lambda *_: cluster)
        monkeypatch.setattr(command.admission, "look", lambda *_: None)
        return dispatch.main(["rollout", *words[:1], "--stack", "staging", *words[1:]])

    return body


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    """The one document on stdout."""
    return json.loads(capsys.readouterr().out)


def test_status_prints_a_table_and_a_document(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for a human and a program."""
    assert run("status") == DONE
    assert capsys.readouterr().out.splitlines()[1].startswith("shop")
    assert run("status", "--json") == DONE
    assert [each["name"] for each in document(capsys)["namespaces"]] == ["shop", "pay"]


def test_status_of_chosen_namespaces_alone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 500 an owner looks at two."""
    assert run("status", "--namespace", "pay") == DONE
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "NAMESPACE",
        "pay",
    ]
    assert run("status", "--namespace", "shp") == BAD_INPUT
    assert "--namespace shp: neither in the plan" in (said := capsys.readouterr().err)
    assert "did you mean 'shop'?" in said


def test_next_says_what_would_refuse_the_edit(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The key that must change with it, not an exit code after the merge."""
    port = {"port": 8080, "allow": [{"namespaces": ["shop"]}]}
    service = {"name": "till", "selector": {"app": "till"}, "ports": [port]}
    more = {("policy", "namespaces"): {"shop": {"services": []}, "pay": {"services": [service]}}}
    assert run("next", "--back", more=more) == DONE
    lines = capsys.readouterr().out.splitlines()
    (refused,) = [line for line in lines if line.startswith("# refused without another change: ")]
    assert "policy.namespaces.pay.services[0].ports[0].allow[0].namespaces[0]" in refused
    assert run("next", "--back", "--json", more=more) == DONE
    assert len(document(capsys)["refused"]) == 1
    assert run("check", "--back", more=more) == REFUSED


def test_next_prints_the_edit(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes no file: the change goes through a pull request."""
    assert run("next") == DONE
    assert "      - name: w1\n        state: 'on'\n" in capsys.readouterr().out
    assert run("next", "--back", "--json") == DONE
    found = document(capsys)
    assert found["key"] == "linkerd-platform:rollout.waves[0]"
    assert found["wave"] == {"name": "w0", "state": "off", "namespaces": ["shop"]}


def test_a_plan_in_a_file_that_others_name_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The change of a shared plan changes their clusters too, at their next deployment."""
    named = {"production": "plan.yaml", "staging": "plan.yaml", "sandbox": "other.yaml"}
    monkeypatch.setattr(command.rollout_files, "named", lambda _: named)
    monkeypatch.setattr(rollout_samples, "PLAN_FILE", "plan.yaml")
    assert run("next") == DONE
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "# plan.yaml: in waves, item 2 (w1) becomes"
    shared = "plan.yaml is the plan of production too: it changes there as well"
    assert f"# {shared}" in said
    assert run("next", "--json") == DONE
    found = document(capsys)
    assert (found["file"], found["key"], found["sharedWith"]) == (
        "plan.yaml",
        "waves[1]",
        ["production"],
    )
    assert run("check", "--json") == DONE
    assert shared in document(capsys)["remarks"]


def test_check_exits_4_where_it_is_not_safe(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipeline stops by it."""
    assert run("check") == DONE
    assert run("check", cluster=UNSETTLED) == REFUSED
    assert run("check", "--back", cluster=UNSETTLED) == DONE
    capsys.readouterr()
    assert run("check", "--json", cluster=UNSETTLED) == REFUSED
    assert document(capsys)["safe"] is False


def test_check_asks_the_prometheus_of_the_config_or_the_one_named(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gate that is not looked at must not be taken for one that holds."""
    more = {("viz", "prometheusUrl"): "http://127.0.0.1:1"}
    assert run("check", more=more) == FAILED
    assert "Prometheus http://127.0.0.1:1: " in capsys.readouterr().err
    assert run("check", "--prometheus", "http://127.0.0.1:2") == FAILED
    assert "Prometheus http://127.0.0.1:2: " in capsys.readouterr().err


def test_nothing_restarts_without_yes(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command is about pods that users are served by."""
    begun: list[Any] = []
    monkeypatch.setattr(restart, "run", lambda *given, **_: begun.append(given[1]))
    assert run("restart", "--namespace", "shop", cluster=UNSETTLED) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "shop/deployment/a: would restart (--yes)",
        "shop/job/j: for you to restart",
    ]
    assert run("restart", "--namespace", "shop", "--json", cluster=UNSETTLED) == DONE
    assert document(capsys) == {"restart": ["shop/deployment/a"], "byHand": ["shop/job/j"]}
    assert begun == []
    assert run("restart", "--namespace", "shop", "--yes", cluster=UNSETTLED) == DONE
    assert [[str(each) for each in given] for given in begun] == [["shop/deployment/a"]]


def test_a_restart_that_fails_exits_1(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that goes on after it would announce a meshed namespace."""

    def fail(*_: object, **__: object) -> None:
        raise RestartError("shop/deployment/a: not up")

    monkeypatch.setattr(restart, "run", fail)
    assert run("restart", "--namespace", "shop", "--yes", cluster=UNSETTLED) == FAILED
    assert "shop/deployment/a: not up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("restart", "--namespace", "kube-system", "--yes"), "runs what the mesh itself needs"),
        (("restart", "--namespace", "linkerd", "--yes"), "bot trust restart-plan"),
        (("restart", "--namespace", "nowhere"), "the cluster has no such namespace"),
        (("next", "--wave", "w7"), "is not in the plan"),
        (("status", "--namespace", "kube-system"), "or never meshed"),
    ],
)
def test_bad_input_is_refused_before_anything_is_done(
    run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    """A restart of the injector is the rotation's business, in its own order."""
    assert run(*words) == BAD_INPUT
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("restart", "--namespace", "shop", "--timeout", "0"),
        ("check", "--prometheus", "prometheus:9090"),
        ("next", "--state", "halfway"),
        ("restart",),
    ],
)
def test_options_that_cannot_be_used_end_with_2(run: Run, words: tuple[str, ...]) -> None:
    """One line on stderr, before a cluster is asked."""
    with pytest.raises(SystemExit) as caught:
        run(*words)
    assert caught.value.code == BAD_INPUT


def test_a_stack_without_a_cluster_is_bad_input(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The owner of the anchor has no pods."""
    assert run("status", role="owner") == BAD_INPUT
    assert "has no cluster" in capsys.readouterr().err
