"""cert-manager, which renews every certificate, and trust-manager, which hands out the anchors."""

from __future__ import annotations

from typing import Any

import pulumi

from components.base import Args, Component
from components.chart import Chart, ChartRef, crd_release, helm_chart
from components.names import CERT_MANAGER


class CertManagerArgs(Args):
    """Charts and replicas; the CRDs come from charts of their own."""

    cert_manager: ChartRef
    cert_manager_crds: ChartRef
    trust_manager: ChartRef
    trust_manager_crds: ChartRef
    replicas: int
    trust_manager_replicas: int


class CertManager(Component, area="certificates"):
    """Both controllers in the namespace `cert-manager`, and their CRDs, kept on destroy."""

    cert_manager: Chart
    trust_manager: Chart

    def __init__(
        self, name: str, args: CertManagerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        crds = crd_release(self, args.cert_manager_crds, values=CRD_VALUES)
        trust_crds = crd_release(self, args.trust_manager_crds, values=CRD_VALUES)
        self.cert_manager = helm_chart(
            self, args.cert_manager, CERT_MANAGER, cert_manager_values(args.replicas), crds
        )
        # Its webhook's certificate is made by cert-manager.
        self.trust_manager = helm_chart(
            self,
            args.trust_manager,
            CERT_MANAGER,
            trust_manager_values(args.trust_manager_replicas),
            trust_crds,
            self.cert_manager,
        )
        self.done(
            certManagerVersion=args.cert_manager.version,
            trustManagerVersion=args.trust_manager.version,
        )


CRD_VALUES = {"crds": {"enabled": True, "keep": True}}


def cert_manager_values(replicas: int) -> dict[str, Any]:
    """Values of the chart `cert-manager`.

    Follows https://cert-manager.io/docs/installation/best-practice/
    """
    budget = {"enabled": replicas > 1}
    part = {"replicaCount": replicas, "podDisruptionBudget": budget}
    return {
        "crds": {"enabled": False},
        # Its own namespace, because some clusters refuse leases in kube-system.
        "global": {"leaderElection": {"namespace": CERT_MANAGER}},
        **part,
        "webhook": part,
        "cainjector": part,
        # A hook, which the engine does not run; a custom resource that waits shows the same.
        "startupapicheck": {"enabled": False},
    }


def trust_manager_values(replicas: int) -> dict[str, Any]:
    """Values of the chart `trust-manager`; sources of a Bundle are read in `cert-manager`."""
    return {
        "crds": {"enabled": False},
        "replicaCount": replicas,
        "podDisruptionBudget": {"enabled": replicas > 1},
        "app": {"trust": {"namespace": CERT_MANAGER}},
        # The bundle of public CAs is not ours to hand out.
        "defaultPackage": {"enabled": False},
    }
