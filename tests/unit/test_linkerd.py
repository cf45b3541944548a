"""The control plane: chart values as a pure function of the arguments."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from components.linkerd import (
    Linkerd,
    LinkerdArgs,
    ProxyTracing,
    ha_values,
    heartbeat_schedule,
    merged,
    values,
)
from tests.unit.samples import arguments, made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "linkerd.ha": False,
    "linkerd.replicas": 5,
    "linkerd.defaultInboundPolicy": "audit",
    "linkerd.webhookFailurePolicy": "Ignore",
    "linkerd.proxyAwait": False,
    "linkerd.nativeSidecar": False,
    "linkerd.heartbeat": True,
    "linkerd.logLevel": "debug",
    "linkerd.imageRegistry": "registry.example.com/linkerd",
}


def with_(**changes: object) -> dict[str, Any]:
    """Values with some arguments changed."""
    args = arguments()[Linkerd].model_copy(update=changes)
    assert isinstance(args, LinkerdArgs)
    return values(args)


def test_no_certificate_is_in_the_values() -> None:
    """`linkerd-config` holds all values: an anchor there would roll the control plane."""
    made_ = with_()
    assert made_["identity"]["externalCA"] is True
    assert made_["identity"]["issuer"]["scheme"] == "kubernetes.io/tls"
    assert "identityTrustAnchorsPEM" not in made_
    assert "tls" not in made_["identity"]["issuer"]
    assert "PEM" not in str(made_)


def test_the_webhooks_certificates_come_from_cert_manager() -> None:
    """The chart makes new ones at each rendering otherwise, and restarts its pods."""
    for key, service in {
        "proxyInjector": "linkerd-proxy-injector",
        "profileValidator": "linkerd-sp-validator",
        "policyValidator": "linkerd-policy-validator",
    }.items():
        assert with_()[key] == {
            "externalSecret": True,
            "injectCaFrom": f"linkerd/{service}-k8s-tls",
        }


def test_the_same_arguments_give_the_same_values() -> None:
    """An unchanged program previews as no change."""
    assert with_(heartbeat=True) == with_(heartbeat=True)


def test_ha_is_upstreams_whole_list() -> None:
    """A part of it is no HA: `highAvailability` alone changes no object."""
    made_ = with_(ha=True)
    for key, value in ha_values().items():
        if key != "proxy":
            assert made_[key] == value
    assert made_["proxy"]["resources"] == ha_values()["proxy"]["resources"]
    assert made_["proxy"]["await"] is True  # not lost in the merge
    assert made_["controllerReplicas"] == 3
    assert made_["enablePodAntiAffinity"] is True
    assert made_["enablePodDisruptionBudget"] is True


def test_without_ha_nothing_of_it_is_left() -> None:
    """Required anti-affinity on one node leaves every pod pending."""
    made_ = with_(ha=False, replicas=1)
    assert not set(ha_values()) - {"proxy"} & set(made_)
    assert "resources" not in made_["proxy"]
    assert made_["controllerReplicas"] == 1


def test_a_rollout_takes_a_pod_away_first() -> None:
    """With anti-affinity on three nodes a fourth pod has no place."""
    assert ha_values()["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] == 1


def test_heartbeat_is_off_and_then_has_no_schedule() -> None:
    """It calls home; and a schedule without it would be a value that nobody reads."""
    assert with_()["disableHeartBeat"] is True
    assert "heartbeatSchedule" not in with_()


def test_a_heartbeat_has_a_fixed_time_per_cluster() -> None:
    """The chart takes the time of its rendering, and never renders the same twice."""
    assert with_(heartbeat=True)["heartbeatSchedule"] == heartbeat_schedule("test")
    times = {heartbeat_schedule(f"cluster-{n}") for n in range(50)}
    assert len(times) > 40  # spread over the fleet
    for time in times:
        found = re.fullmatch(r"(\d+) (\d+) \* \* \*", time)
        assert found
        assert int(found[1]) < 60
        assert int(found[2]) < 24


@pytest.mark.parametrize("policy", ["all-unauthenticated", "deny"])
def test_policy_and_failure_policy_are_passed_on(policy: str) -> None:
    """They decide whether traffic flows."""
    made_ = with_(default_inbound_policy=policy, webhook_failure_policy="Ignore")
    assert made_["proxy"]["defaultInboundPolicy"] == policy
    assert made_["webhookFailurePolicy"] == "Ignore"


def test_every_image_is_of_the_one_registry() -> None:
    """An image that is forgotten is pulled from outside, or not at all."""
    made_ = with_(image_registry="mirror.example.com/linkerd")
    images = [
        made_["controllerImage"],
        made_["debugContainer"]["image"]["name"],
        made_["proxy"]["image"]["name"],
    ]
    assert all(image.startswith("mirror.example.com/linkerd/") for image in images)


def test_lifetimes_domains_and_networks_are_passed_on() -> None:
    """The issuer's rules rest on the leaf's lifetime."""
    made_ = with_(leaf_lifetime="12h0m0s", trust_domain="mesh.example", cluster_domain="c.local")
    assert made_["identity"]["issuer"]["issuanceLifetime"] == "12h0m0s"
    assert made_["identity"]["issuer"]["clockSkewAllowance"] == "20s"
    assert made_["identityTrustDomain"] == "mesh.example"
    assert made_["clusterDomain"] == "c.local"
    assert made_["clusterNetworks"] == "10.0.0.0/8,fd00::/8"


TRACING = ProxyTracing(
    endpoint="collector.a.svc.cluster.local.:4317",
    service_account="collector",
    namespace="a",
    service_name="linkerd-proxy",
    labels={"k8s.cluster.name": "test"},
)


def test_tracing_is_off_and_then_sets_nothing() -> None:
    """A volume more in every pod is a restart of the control plane."""
    assert "tracing" not in with_()["proxy"]
    assert "tracing" not in with_()["controller"]


@pytest.mark.parametrize("ha", [True, False])
def test_proxies_are_told_where_spans_go_and_who_must_answer(ha: bool) -> None:
    """Without an identity the chart does not render; HA must not lose it in the merge."""
    made_ = with_(tracing=TRACING, ha=ha)
    assert made_["proxy"]["tracing"] == {
        "enabled": True,
        "traceServiceName": "linkerd-proxy",
        "labels": {"k8s.cluster.name": "test"},
        "collector": {
            "endpoint": "collector.a.svc.cluster.local.:4317",
            "meshIdentity": {"serviceAccountName": "collector", "namespace": "a"},
        },
    }
    assert made_["proxy"]["await"] is True
    assert "tracing" not in made_.get("controller", {})


def test_controllers_speak_opencensus_and_only_where_somebody_listens() -> None:
    """Without an endpoint of their own they would speak it to the proxies' collector."""
    made_ = with_(tracing=TRACING.model_copy(update={"open_census": "oc.a:55678"}))
    controllers = {"enabled": True, "collector": {"endpoint": "oc.a:55678"}}
    assert made_["controller"]["tracing"] == controllers
    assert made_["controller"]["podDisruptionBudget"] == {"maxUnavailable": 1}


def test_merging_changes_neither_side() -> None:
    """The HA values of one stack would be in the next."""
    base, over = {"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "c": {"e": 4}}
    before = copy.deepcopy((base, over))
    assert merged(base, over) == {"a": {"b": 1, "d": 3}, "c": {"e": 4}}
    assert (base, over) == before


def test_the_control_plane_comes_after_its_crds_which_leave_gateway_api_alone() -> None:
    """The chart of CRDs has its own, older Gateway API."""
    recording = made(Linkerd)
    crds = recording.named("x-linkerd-crds")
    assert crds.inputs["values"] == {"installGatewayAPI": False}
    assert recording.comes_after(recording.named("x-linkerd-control-plane"), crds)
