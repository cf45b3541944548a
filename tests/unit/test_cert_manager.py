"""cert-manager and trust-manager: HA, CRDs apart, no hook."""

from __future__ import annotations

from typing import Any

from components.cert_manager import (
    CRD_VALUES,
    CertManager,
    cert_manager_values,
    trust_manager_values,
)
from tests.unit.samples import made

# What each key of the section is set to, for test_config_effect.py.
EFFECTS: dict[str, Any] = {
    "certManager.install": False,
    "certManager.installTrustManager": False,
    "certManager.replicas": 3,
    "certManager.trustManagerReplicas": 3,
}
# With `install: false` alone: test_public_reports_what_others_own_stays.
ELSEWHERE = dict.fromkeys(
    [
        *("certManager.namespace", "certManager.clusterResourceNamespace"),
        *("certManager.serviceAccount", "certManager.trustManagerNamespace"),
        "certManager.trustNamespace",
    ],
    "test_owners.py",
)


def test_every_deployment_of_cert_manager_has_the_replicas_and_a_budget() -> None:
    """A webhook with one pod stops every Certificate while its node is drained."""
    values = cert_manager_values(3)
    for part in (values, values["webhook"], values["cainjector"]):
        assert part["replicaCount"] == 3
        assert part["podDisruptionBudget"] == {"enabled": True}


def test_one_replica_has_no_budget() -> None:
    """A budget on a single pod blocks every drain."""
    values = cert_manager_values(1)
    for part in (values, values["webhook"], values["cainjector"], trust_manager_values(1)):
        assert part["podDisruptionBudget"] == {"enabled": False}


def test_crds_are_not_in_the_charts_and_are_kept() -> None:
    """With them go all Certificates, and with those the mesh."""
    assert cert_manager_values(2)["crds"] == {"enabled": False}
    assert trust_manager_values(2)["crds"] == {"enabled": False}
    assert CRD_VALUES == {"crds": {"enabled": True, "keep": True}}


def test_leases_are_in_its_own_namespace() -> None:
    """Some clusters refuse them in kube-system, the chart's default."""
    assert cert_manager_values(2)["global"]["leaderElection"]["namespace"] == "cert-manager"


def test_no_hook_is_left_to_be_dropped() -> None:
    """The engine runs none, so a hook would be missing without a word."""
    assert cert_manager_values(2)["startupapicheck"] == {"enabled": False}


def test_trust_manager_reads_sources_where_the_anchors_are() -> None:
    """A Bundle's sources are read in its trust namespace alone."""
    values = trust_manager_values(3)
    assert values["app"]["trust"]["namespace"] == "cert-manager"
    assert values["replicaCount"] == 3
    assert values["defaultPackage"] == {"enabled": False}


def test_trust_manager_comes_after_cert_manager_and_its_own_crds() -> None:
    """cert-manager makes the certificate of its webhook."""
    recording = made(CertManager)
    trust = recording.named("x-trust-manager")
    for earlier in ("x-cert-manager", "x-cert-manager-crds", "x-trust-manager-crds"):
        assert recording.comes_after(trust, recording.named(earlier))
