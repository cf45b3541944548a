"""How far a namespace is, and which pods have to restart: the injector's own rules."""

from __future__ import annotations

from typing import Any

import pytest

from bot.mesh.rollout.model import Standing
from bot.mesh.rollout.standing import NO_WAVE, standings
from bot.mesh.rollout.text import status_document, status_lines
from components.rollout.component import INJECT
from tests.unit.rollout_samples import config, namespace, pod, seen

ON = {"state": "on", "namespaces": ["shop"]}


def standing(*found: Any, waves: tuple[Any, ...] = (ON,), more: Any = None) -> Standing:
    """The standing of the first namespace."""
    return standings(config(*waves, more=more), seen(*found))[0]


@pytest.mark.parametrize(
    ("pods", "mesh"),
    [
        ([], "no pods"),
        ([pod("shop", "a")], "not meshed"),
        ([pod("shop", "a"), pod("shop", "b", meshed=True)], "partly meshed"),
        ([pod("shop", "a", meshed=True)], "meshed"),
        ([pod("shop", "a", meshed=True), pod("shop", "b", host_network=True)], "meshed"),
    ],
)
def test_a_namespace_is_meshed_partly_or_not(pods: list[Any], mesh: str) -> None:
    """A pod in the host's network can have no proxy, so it does not make a namespace partly so."""
    assert standing(namespace("shop", "on"), *pods).mesh == mesh


def test_a_namespace_that_is_not_there_is_told() -> None:
    """Its patch would make an empty one, most likely of a misspelt name."""
    found = standing(waves=(ON,))
    assert found.mesh == "not there"
    assert found.notes == ("is not there: make it, or take it out of its wave",)


@pytest.mark.parametrize(
    ("there", "inject", "restarts"),
    [
        ("on", "", True),
        ("on", "disabled", False),
        ("opt-in", "", False),
        ("opt-in", "enabled", True),
        ("opt-in", "ingress", True),
        ("opt-out", "", False),
        ("opt-out", "enabled", True),
        ("", "", False),
        ("", "enabled", True),
    ],
)
def test_a_pod_enters_by_its_own_annotation_or_its_namespaces(
    there: str, inject: str, restarts: bool
) -> None:
    """linkerd2 pkg/inject/report.go: the pod's own wins, also over `disabled`."""
    found = standing(namespace("shop", there), pod("shop", "a", inject=inject))
    assert [each.why for each in found.restarts] == (["enters the mesh"] if restarts else [])


def test_what_counts_is_what_the_cluster_has_not_what_is_planned() -> None:
    """A restart before the update would restart for nothing."""
    found = standing(namespace("shop"), pod("shop", "a"))
    assert found.restarts == ()
    assert found.notes == ("the plan says on, the cluster has nothing: `bot up`",)


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ({}, None),
        ({"version": "edge-26.1.1"}, "proxy edge-26.1.1, control plane edge-26.4.1"),
        ({"version": ""}, None),
        ({"policy": "deny"}, "default policy deny, wanted all-unauthenticated"),
        ({"native": False}, "proxy is no native sidecar yet"),
        ({"inject": "disabled"}, "leaves the mesh"),
    ],
)
def test_a_meshed_pod_restarts_for_what_is_fixed_when_it_is_made(
    proxy: dict[str, Any], why: str | None
) -> None:
    """Version, default policy and the kind of sidecar stay until then."""
    found = standing(namespace("shop", "on"), pod("shop", "a", meshed=True, **proxy))
    assert [each.why for each in found.restarts] == ([why] if why else [])


def test_the_default_policy_is_the_pods_then_the_namespaces_then_the_clusters() -> None:
    """Each of them overrides the next."""
    key = "config.linkerd.io/default-inbound-policy"
    there = namespace("shop", "on")
    strict = type(there)("shop", there.labels, {**there.annotations, key: "deny"}, "on")
    own = {key: "audit"}
    assert not standing(strict, pod("shop", "a", meshed=True, policy="deny")).restarts
    assert standing(strict, pod("shop", "a", meshed=True)).restarts
    assert not standing(
        strict, pod("shop", "a", meshed=True, policy="audit", annotations=own)
    ).restarts


def test_a_workload_that_is_to_stay_outside_says_so_itself() -> None:
    """Its pod template is not ours to write."""
    plan = {"name": "shop", "workloads": {"optOut": ["deploy/legacy", "sts/gone"]}}
    waves = ({"state": "on", "namespaces": [plan]},)
    found = standing(namespace("shop", "on"), pod("shop", "legacy"), waves=waves)
    assert found.notes == (
        f"Deployment/legacy is to stay outside: set {INJECT}: disabled on its pod template",
        "StatefulSet/gone may stay outside, and has no pod: take it out of the plan",
    )
    out = pod("shop", "legacy", inject="disabled")
    gone = pod("shop", "gone", kind="StatefulSet", inject="disabled")
    assert standing(namespace("shop", "on"), out, gone, waves=waves).notes == ()


def test_a_workload_that_opts_out_on_its_own_is_told() -> None:
    """The design is: meshed by default; who is not must be known."""
    found = standing(namespace("shop", "on"), pod("shop", "a", inject="disabled"))
    assert found.notes == ("Deployment/a opts out, which the plan does not name",)


def test_overrides_are_listed_until_the_pod_template_has_them() -> None:
    """Per workload they are annotations of somebody else's manifest."""
    more = {
        ("workloads", "namespaces", "shop", "overrides"): {
            "deploy/a": {"accessLog": "json", "proxyResources": {"cpuRequest": "1"}}
        }
    }
    done = {"config.linkerd.io/access-log": "json"}
    found = standing(
        namespace("shop", "on"), pod("shop", "a", meshed=True, annotations=done), more=more
    )
    assert found.notes == (
        "Deployment/a: set config.linkerd.io/proxy-cpu-request: 1 on its pod template",
    )


def test_workloads_that_share_a_service_account_are_named() -> None:
    """Mesh identity is the account: no policy can tell the two apart."""
    found = standing(
        namespace("shop", "on"),
        pod("shop", "a", meshed=True, account="web"),
        pod("shop", "b", meshed=True, account="web"),
        pod("shop", "c", meshed=True, account="default"),
        pod("shop", "d", meshed=True),
    )
    assert found.notes == (
        "service account default is that of Deployment/c: give each its own",
        "service account web is that of Deployment/a, Deployment/b: give each its own",
    )


def test_proxies_in_a_wave_that_is_off_are_told() -> None:
    """After going back a wave they stay until they restart."""
    waves = ({"namespaces": ["shop"]},)
    found = standing(namespace("shop"), pod("shop", "a", meshed=True), waves=waves)
    assert [each.why for each in found.restarts] == ["leaves the mesh"]
    assert found.notes[0].startswith("has proxies though its wave is off")


def test_namespaces_of_no_wave_come_last_and_the_forbidden_ones_not_at_all() -> None:
    """What the plan forgets is what one looks for here."""
    names = ["kube-system", "vault", "shop", "other"]
    found = standings(config(ON), seen(*map(namespace, names)))
    assert [(each.namespace, each.wave, each.state) for each in found] == [
        ("shop", "w0", "on"),
        ("other", NO_WAVE, "off"),
    ]


def test_the_table_has_a_row_each_and_says_what_is_to_be_done() -> None:
    """It is read in a terminal, before anybody restarts anything."""
    cluster = seen(
        namespace("shop", "on"),
        *(pod("shop", f"p{at}") for at in range(7)),
        failures={"shop": 2},
    )
    lines = status_lines(standings(config(ON), cluster), cluster)
    assert lines[1].split() == ["shop", "w0", "on", "0/7", "not", "meshed"]
    assert "shop: p0-1 has to restart: enters the mesh" in lines
    assert "shop: and 2 more" in lines
    assert lines[-1] == "shop: the injector failed 2 times lately"
    document = status_document(standings(config(ON), cluster), cluster)
    assert len(document["namespaces"][0]["restarts"]) == 7
