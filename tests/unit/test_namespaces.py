"""Namespaces: labelled before anything is put into them."""

from __future__ import annotations

import pytest

from components.namespaces import Namespaces, NamespacesArgs, manifests, namespace
from components.webhook_certificates import VIZ_WEBHOOKS
from tests.unit.samples import made

ALL = {
    m["metadata"]["name"]: m["metadata"]
    for m in manifests(NamespacesArgs(viz=True, buoyant_cloud=True, tracing=True))
}


def test_each_part_has_a_namespace_and_an_extension_only_when_it_is_on() -> None:
    """An empty namespace of an extension makes `linkerd check` look for it."""
    least = manifests(NamespacesArgs(viz=False, buoyant_cloud=False))
    assert [m["metadata"]["name"] for m in least] == ["cert-manager", "external-secrets", "linkerd"]
    assert set(ALL) == {
        "cert-manager",
        "external-secrets",
        "linkerd",
        "linkerd-viz",
        "linkerd-buoyant",
        "linkerd-tracing",
    }
    assert VIZ_WEBHOOKS


def test_every_namespace_enforces_a_pod_security_level() -> None:
    """Without the label the cluster's default decides, which differs from cluster to cluster."""
    levels = {n: m["labels"]["pod-security.kubernetes.io/enforce"] for n, m in ALL.items()}
    assert {n for n, level in levels.items() if level == "restricted"} == {
        "cert-manager",
        "external-secrets",
    }
    # The proxy's init container sets up iptables.
    assert {n for n, level in levels.items() if level == "privileged"} == {
        "linkerd",
        "linkerd-viz",
        "linkerd-buoyant",
        "linkerd-tracing",
    }


@pytest.mark.parametrize("name", ["linkerd", "cert-manager", "external-secrets"])
def test_what_linkerd_needs_to_start_does_not_wait_for_linkerd(name: str) -> None:
    """With failure policy `Fail` an injector that is away would block its own pods."""
    assert ALL[name]["labels"]["config.linkerd.io/admission-webhooks"] == "disabled"
    assert ALL[name]["annotations"]["linkerd.io/inject"] == "disabled"


def test_trust_manager_finds_the_control_planes_namespace() -> None:
    """Without the label the ConfigMap never appears, and the control plane hangs."""
    assert ALL["linkerd"]["labels"]["linkerd.io/is-control-plane"] == "true"
    others = [m for n, m in ALL.items() if n != "linkerd"]
    assert not any("linkerd.io/is-control-plane" in m["labels"] for m in others)


def test_extensions_are_labelled_as_linkerd_check_looks_for_them() -> None:
    """The chart's own hook Job would do it, which the engine does not run."""
    assert ALL["linkerd-viz"]["labels"]["linkerd.io/extension"] == "viz"
    assert ALL["linkerd-buoyant"]["labels"]["linkerd.io/extension"] == "buoyant"


def test_the_collector_has_a_proxy_and_is_no_extension() -> None:
    """Its identity is its proxy's; and `linkerd check` runs a program per extension label."""
    assert ALL["linkerd-tracing"]["annotations"] == {"linkerd.io/inject": "enabled"}
    assert "linkerd.io/extension" not in ALL["linkerd-tracing"]["labels"]


def test_an_external_prometheus_is_written_on_vizs_namespace() -> None:
    """`linkerd viz check` looks for a Prometheus of its own otherwise."""
    args = NamespacesArgs(viz=True, buoyant_cloud=False, prometheus_url="http://p:9090")
    (viz,) = [m for m in manifests(args) if m["metadata"]["name"] == "linkerd-viz"]
    assert viz["metadata"]["annotations"] == {"viz.linkerd.io/external-prometheus": "http://p:9090"}
    assert "annotations" not in ALL["linkerd-viz"]


def test_a_namespace_without_annotations_has_no_empty_ones() -> None:
    """An empty map would show as a change after each refresh."""
    assert "annotations" not in namespace("a", "baseline")["metadata"]


def test_the_component_lists_its_namespaces() -> None:
    """They are an output of the stack."""
    recording = made(Namespaces)
    assert recording.outputs[recording.named("x").urn] == {"names": list(ALL)}
    assert len(recording.of_kind(":Namespace")) == len(ALL)
