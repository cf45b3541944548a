"""cert-manager, which renews every certificate, and trust-manager, which hands out the anchors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import pulumi
from pydantic import Field

from components.base import Component
from components.chart import (
    Chart,
    ChartRef,
    ChartsArgs,
    Shape,
    crd_release,
    helm_chart,
    published_chart,
)
from components.names import CERT_MANAGER
from components.namespaces import of_cert_manager
from schema.section import Section
from schema.values import Replicas


class CertManagerSection(Section):
    """cert-manager and trust-manager."""

    shapes: ClassVar[dict[str, Shape]] = {
        "cert-manager": Shape(
            pods=("", "webhook", "cainjector", "startupapicheck"),
            priority=("global",),
            pull_secrets=("global",),
            images={"imageRegistry": "quay.io"},
            owned={
                "crds": "the program, which installs CRDs by themselves",
                "installCRDs": "the program, which installs CRDs by themselves",
                "replicaCount": "certManager.replicas",
                "webhook.replicaCount": "certManager.replicas",
                "cainjector.replicaCount": "certManager.replicas",
            },
        ),
        "trust-manager": Shape(
            images={"imageRegistry": "quay.io"},
            owned={
                "crds": "the program, which installs CRDs by themselves",
                "replicaCount": "certManager.trustManagerReplicas",
                "app.trust.namespace": "the program, which puts the anchors' Secrets there",
            },
        ),
    }

    replicas: Replicas = Field(2, description="Replicas of each cert-manager Deployment.")
    trust_manager_replicas: Replicas = Field(2, description="Replicas of trust-manager.")

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return (
            *("cert-manager", "trust-manager"),
            *("cert-manager-crds", "trust-manager-crds"),
        )


class HasCertManager(Protocol):
    """A config with the section `cert_manager`."""

    @property
    def cert_manager(self) -> CertManagerSection: ...  # noqa: D102


class CertManagerArgs(CertManagerSection, ChartsArgs):
    """The section with its charts.

    cert_manager_crds, trust_manager_crds: charts with the CRDs alone; None where they come with the
    rest. create_namespace: False where the namespace is there already.
    """

    cert_manager: ChartRef = published_chart("cert-manager")
    cert_manager_crds: ChartRef | None = None
    trust_manager: ChartRef = published_chart("trust-manager")
    trust_manager_crds: ChartRef | None = None
    create_namespace: bool = True


class CertManager(Component, area="certificates"):
    """Both controllers in the namespace `cert-manager`, and their CRDs, kept on destroy."""

    cert_manager: Chart
    trust_manager: Chart

    def __init__(
        self,
        name: str,
        args: CertManagerArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or CertManagerArgs()
        before: list[pulumi.Resource] = []
        if args.create_namespace:
            before.append(self.apply(of_cert_manager(), name="namespace"))
        crds = self._crds(args.cert_manager_crds)
        trust_crds = self._crds(args.trust_manager_crds)
        self.cert_manager = helm_chart(
            self,
            args.cert_manager,
            CERT_MANAGER,
            cert_manager_values(args.replicas, crds=not crds),
            *before,
            *crds,
        )
        # Its webhook's certificate is made by cert-manager.
        self.trust_manager = helm_chart(
            self,
            args.trust_manager,
            CERT_MANAGER,
            trust_manager_values(args.trust_manager_replicas, crds=not trust_crds),
            *before,
            *trust_crds,
            self.cert_manager,
        )
        self.done(
            certManagerVersion=args.cert_manager.version,
            trustManagerVersion=args.trust_manager.version,
        )

    def _crds(self, chart: ChartRef | None) -> list[pulumi.Resource]:
        return [crd_release(self, chart, values=CRD_VALUES)] if chart else []


CRD_VALUES = {"crds": {"enabled": True, "keep": True}}
NO_CRDS = {"crds": {"enabled": False}}


def cert_manager_values(replicas: int, *, crds: bool = False) -> dict[str, Any]:
    """Values of the chart `cert-manager`.

    Follows https://cert-manager.io/docs/installation/best-practice/
    """
    budget = {"enabled": replicas > 1}
    part = {"replicaCount": replicas, "podDisruptionBudget": budget}
    return {
        **(CRD_VALUES if crds else NO_CRDS),
        # Its own namespace, because some clusters refuse leases in kube-system.
        "global": {"leaderElection": {"namespace": CERT_MANAGER}},
        **part,
        "webhook": part,
        "cainjector": part,
        # A hook, which the engine does not run; a custom resource that waits shows the same.
        "startupapicheck": {"enabled": False},
    }


def trust_manager_values(replicas: int, *, crds: bool = False) -> dict[str, Any]:
    """Values of the chart `trust-manager`; sources of a Bundle are read in `cert-manager`."""
    return {
        **(CRD_VALUES if crds else NO_CRDS),
        "replicaCount": replicas,
        "podDisruptionBudget": {"enabled": replicas > 1},
        "app": {"trust": {"namespace": CERT_MANAGER}},
        # The bundle of public CAs is not ours to hand out.
        "defaultPackage": {"enabled": False},
    }


def arguments(config: HasCertManager, charts: Mapping[str, ChartRef]) -> CertManagerArgs:
    """Arguments of `CertManager`."""
    return CertManagerArgs(
        cert_manager=charts["cert-manager"],
        cert_manager_crds=charts["cert-manager-crds"],
        trust_manager=charts["trust-manager"],
        trust_manager_crds=charts["trust-manager-crds"],
        create_namespace=False,
        **config.cert_manager.model_dump(),
    )
