"""What must restart comes in an order in which no pod has to restart twice."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from bot.mesh.trust.model import IDENTITY, INJECTOR, PodOwner
from bot.mesh.trust.restart import by_hand, phases
from bot.mesh.trust.text import plan_lines
from tests.unit.bot_trust_samples import control, control_plane, pod

ALL = (
    pod("report", "Job"),
    pod("nightly", "CronJob"),
    pod("bare", "Pod"),
    pod("roll", "Rollout"),
    pod("db", "StatefulSet"),
    pod("agent", "DaemonSet"),
    pod("web"),
    pod("web"),
    pod("web", namespace="other"),
    control("linkerd-destination"),
    control(IDENTITY),
    control(INJECTOR),
)


def test_the_injector_comes_first_and_the_workloads_after_the_control_plane() -> None:
    """A workload before the injector would get the old bundle once more."""
    assert [phase.title for phase in phases(ALL)] == [
        "proxy injector",
        "identity",
        "rest of the control plane",
        "Deployments",
        "StatefulSets",
        "DaemonSets",
        "Jobs",
        "by hand",
    ]


def test_for_leaves_identity_comes_before_the_injector() -> None:
    """Else the injector's new leaf may come from an identity process that is replaced next."""
    titles = [phase.title for phase in phases(ALL, leaves=True)]
    assert titles[:3] == ["identity", "proxy injector", "rest of the control plane"]
    assert titles[3:] == [phase.title for phase in phases(ALL)][3:]


def test_a_workload_is_restarted_once_however_many_pods_it_has() -> None:
    """And each is awaited, before the next phase begins."""
    (deployments,) = [phase for phase in phases(ALL) if phase.title == "Deployments"]
    assert deployments.commands == (
        "kubectl -n other rollout restart deployment/web",
        "kubectl -n shop rollout restart deployment/web",
        "kubectl -n other rollout status deployment/web --timeout=15m",
        "kubectl -n shop rollout status deployment/web --timeout=15m",
    )


def test_jobs_bare_pods_and_foreign_kinds_are_named_and_have_no_command() -> None:
    """`kubectl rollout restart` has none for them: to leave them out would be to forget them."""
    by_title = {phase.title: phase for phase in phases(ALL)}
    assert [str(w) for w in by_title["Jobs"].workloads] == [
        "shop/cronjob/nightly",
        "shop/job/report",
    ]
    assert [str(w) for w in by_title["by hand"].workloads] == ["shop/pod/bare", "shop/rollout/roll"]
    assert by_title["Jobs"].commands == by_title["by hand"].commands == ()


def test_nothing_to_restart_is_an_empty_plan() -> None:
    """Not a plan that restarts the injector for nothing."""
    assert phases(()) == []
    assert phases((), fresh_bundle=True) == []


def test_a_fresh_bundle_takes_the_injector_along() -> None:
    """Its mounted file may still be the old one, however young its pod."""
    assert [phase.title for phase in phases([pod("web")])] == ["Deployments"]
    fresh = phases([pod("web")], fresh_bundle=True)
    assert [phase.title for phase in fresh] == ["proxy injector", "Deployments"]
    assert (
        fresh[0].commands[0]
        == "kubectl -n linkerd rollout restart deployment/linkerd-proxy-injector"
    )


def test_the_commands_name_the_cluster_that_was_read() -> None:
    """A paste into a shell with another current context would restart another cluster."""
    for phase in phases(control_plane(), ["kubectl", "--context", "my cluster"]):
        assert all(
            c.startswith("kubectl --context 'my cluster' -n linkerd") for c in phase.commands
        )


def test_no_name_of_a_cluster_becomes_a_command_of_the_script() -> None:
    """The plan is piped to a shell; whoever may make a pod names its owner as they like."""
    bad = pod("x\ntouch /tmp/owned\n", "Rollout\nreboot")
    lines = plan_lines(phases([bad, pod("web; reboot"), pod("bare", "Pod")]))
    assert lines.pop() == 'test -z "${not_up:-}"'
    assert all(line.startswith(("#", "kubectl ")) for each in lines for line in each.splitlines())
    commands = [line for line in lines if line.startswith("kubectl")]
    assert [shlex.split(line)[4:6] for line in commands] == [
        ["restart", "deployment/web; reboot"],
        ["status", "deployment/web; reboot"],
    ]


HELD: tuple[tuple[str, dict[str, Any] | None, str, str], ...] = (
    (
        "StatefulSet",
        {"spec": {"updateStrategy": {"type": "OnDelete"}}},
        "OnDelete",
        "kubectl -n shop delete pod/w",
    ),
    (
        "DaemonSet",
        {"spec": {"updateStrategy": {"type": "OnDelete"}}},
        "OnDelete",
        "kubectl -n shop delete pod/w",
    ),
    (
        "StatefulSet",
        {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}},
        "partition 1",
        "kubectl -n shop delete pod/w",
    ),
    (
        "Deployment",
        {"spec": {"paused": True}},
        "is paused",
        "kubectl -n shop rollout resume deployment/w",
    ),
    ("Deployment", {"spec": {"replicas": 0}}, "no replicas", "end by themselves"),
    (
        "Deployment",
        {"metadata": {"deletionTimestamp": "2026-12-10T12:00:00Z"}, "spec": {}},
        "is being deleted",
        "wait until",
    ),
    ("Deployment", None, "is gone", "kubectl -n shop delete pod/w"),
)


@pytest.mark.parametrize(("kind", "manifest", "why", "command"), HELD)
def test_public_reports_one_workload_does_not_stop_the_plan(
    kind: str, manifest: dict[str, Any] | None, why: str, command: str
) -> None:
    """kubernetes#64500: `rollout status` refuses OnDelete, and `sh -eu` ended there for good."""
    held = {PodOwner("shop", kind, "w"): by_hand(kind, manifest)}
    planned = phases([pod("w", kind), pod("web"), pod("agent", "DaemonSet")], held=held)
    assert [phase.title for phase in planned] == ["Deployments", "DaemonSets", "by hand"]
    assert not any(" w" in each or "/w " in each for p in planned for each in p.commands)
    (hint,) = planned[-1].hints
    assert why in hint
    assert command in hint
    assert f"#    shop/{kind.lower()}/w: {hint}" in plan_lines(planned)


def test_public_reports_a_usual_workload_is_restarted_on_command() -> None:
    """What the API server fills in by itself must not count as held."""
    for kind, spec in {
        "Deployment": {"replicas": 2, "paused": False},
        "StatefulSet": {"updateStrategy": {"rollingUpdate": {"partition": 0}}},
        "DaemonSet": {"updateStrategy": {"type": "RollingUpdate"}, "replicas": None},
    }.items():
        assert by_hand(kind, {"metadata": {}, "spec": spec}) == ""


def test_public_reports_a_bare_pod_has_its_command_too() -> None:
    """An operator must not have to look up how."""
    (phase,) = phases([pod("bare", "Pod")], ["kubectl", "--context", "c"])
    told = "nothing makes it again: kubectl --context c -n shop delete pod/bare, then apply its own"
    assert [hint.startswith(told) for hint in phase.hints] == [True]


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("Rollout", "kubectl argo rollouts restart w -n shop --context c"),
        ("DeploymentConfig", "oc rollout latest dc/w -n shop --context c"),
        (
            "StrimziPodSet",
            (
                "kubectl --context c -n shop annotate strimzipodset w "
                "strimzi.io/manual-rolling-update=true"
            ),
        ),
        ("ReplicaSet", "kubectl --context c -n shop delete pod/w"),
        ("ReplicationController", "kubectl --context c -n shop delete pod/w"),
        ("CassandraDatacenter", "kubectl --context c -n shop delete pod/w"),
    ],
)
def test_public_reports_a_kind_of_its_own_is_restarted_in_its_own_way(
    kind: str, command: str
) -> None:
    """`kubectl rollout restart` has none for them, and pods deleted by hand are a canary undone."""
    (phase,) = phases([pod("w", kind)], ["kubectl", "--context", "c"])
    assert phase.title == "by hand"
    (hint,) = phase.hints
    assert hint.endswith(command)


def test_public_reports_a_workload_that_does_not_come_up_hides_no_other() -> None:
    """The script goes on, and fails at its end."""
    lines = plan_lines(phases([pod("bad"), pod("good"), pod("agent", "DaemonSet")]))
    shell = """kubectl() { printf '%s\\n' "$*"; case "$*" in *status*/bad*) return 1;; esac; }"""
    run = subprocess.run(
        ["/bin/sh", "-eu"],
        input="\n".join([shell, *lines, ""]),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert run.returncode == 1
    assert "-n shop rollout status daemonset/agent --timeout=15m" in run.stdout.splitlines()
