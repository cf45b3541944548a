"""cert-manager, which renews every certificate, and trust-manager, which hands out the anchors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from schema.faults import Fault
from schema.section import Section
from schema.values import Name, Replicas


class CertManagerSection(Section):
    """cert-manager and trust-manager: ours, or somebody else's."""

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

    install: bool = Field(
        True,
        description="False where somebody else owns cert-manager; the keys below say where it is.",
    )
    namespace: Name = Field(CERT_MANAGER, description="Namespace of an existing cert-manager.")
    cluster_resource_namespace: Name | None = Field(
        None,
        description="Namespace where it reads the Secrets of ClusterIssuers "
        "(`--cluster-resource-namespace`); default `namespace`.",
    )
    service_account: Name = Field(
        CERT_MANAGER,
        description="Service account of its controller, which asks for the tokens for Vault.",
    )
    install_trust_manager: bool = Field(
        True,
        description="False where somebody else owns trust-manager; ours is in `namespace`.",
    )
    trust_manager_namespace: Name | None = Field(
        None, description="Namespace of an existing trust-manager; default `namespace`."
    )
    trust_namespace: Name | None = Field(
        None,
        description="Namespace where it reads the sources of Bundles (`app.trust.namespace`); "
        "default `trustManagerNamespace`.",
    )
    replicas: Replicas = Field(2, description="Replicas of each cert-manager Deployment.")
    trust_manager_replicas: Replicas = Field(2, description="Replicas of trust-manager.")

    @property
    def chart_names(self) -> tuple[str, ...]:
        """The charts that it is installed from."""
        return (
            *(("cert-manager", "cert-manager-crds") if self.install else ()),
            *(("trust-manager", "trust-manager-crds") if self.install_trust_manager else ()),
        )

    @property
    def trust_manager_runs(self) -> str:
        """The namespace of trust-manager."""
        return self.trust_manager_namespace or self.namespace

    @property
    def issuer_secrets(self) -> str:
        """The namespace of the Secrets of ClusterIssuers."""
        return self.cluster_resource_namespace or self.namespace

    @property
    def bundle_sources(self) -> str:
        """The namespace of the sources of Bundles."""
        return self.trust_namespace or self.trust_manager_runs


class HasCertManager(Protocol):
    """A config with the section `cert_manager`."""

    @property
    def cert_manager(self) -> CertManagerSection: ...  # noqa: D102


class CertManagerArgs(CertManagerSection, ChartsArgs):
    """The section with its charts; those of what is not installed are not looked at.

    cert_manager_crds, trust_manager_crds: charts with the CRDs alone; None where they come with the
    rest. create_namespace: False where the namespace is there already. gateways: whether challenges
    of ACME are answered through a Gateway, whose CRDs must be there first.
    """

    cert_manager: ChartRef = published_chart("cert-manager")
    cert_manager_crds: ChartRef | None = None
    trust_manager: ChartRef = published_chart("trust-manager")
    trust_manager_crds: ChartRef | None = None
    create_namespace: bool = True
    gateways: bool = False


class CertManager(Component, area="certificates"):
    """Both controllers in the namespace `cert-manager`, and their CRDs, kept on destroy.

    Each is None where somebody else's is used.
    """

    cert_manager: Chart | None = None
    trust_manager: Chart | None = None

    def __init__(
        self,
        name: str,
        args: CertManagerArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, opts)
        args = args or CertManagerArgs()
        before: list[pulumi.Resource] = []
        if args.install:
            if args.create_namespace:
                before.append(self.apply(of_cert_manager(), name="namespace"))
            crds = self._crds(args.cert_manager_crds)
            values = cert_manager_values(args.replicas, crds=not crds, gateways=args.gateways)
            self.cert_manager = helm_chart(
                self, args.cert_manager, args.namespace, values, *before, *crds
            )
            # The certificate of trust-manager's webhook is made by cert-manager.
            before.append(self.cert_manager)
        if args.install_trust_manager:
            crds = self._crds(args.trust_manager_crds)
            values = trust_manager_values(
                args.trust_manager_replicas, args.bundle_sources, crds=not crds
            )
            self.trust_manager = helm_chart(
                self, args.trust_manager, args.trust_manager_runs, values, *before, *crds
            )
        self.done(
            certManagerVersion=args.cert_manager.version if args.install else "existing",
            trustManagerVersion=(
                args.trust_manager.version if args.install_trust_manager else "existing"
            ),
        )

    def _crds(self, chart: ChartRef | None) -> list[pulumi.Resource]:
        return [crd_release(self, chart, values=CRD_VALUES)] if chart else []


CRD_VALUES = {"crds": {"enabled": True, "keep": True}}
NO_CRDS = {"crds": {"enabled": False}}


def cert_manager_values(
    replicas: int, *, crds: bool = False, gateways: bool = False
) -> dict[str, Any]:
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
        **({"config": _WITH_GATEWAYS} if gateways else {}),
    }


# https://cert-manager.io/docs/usage/gateway/
_WITH_GATEWAYS = {
    "apiVersion": "controller.config.cert-manager.io/v1alpha1",
    "kind": "ControllerConfiguration",
    "gatewayAPI": {"enabled": True},
}


def trust_manager_values(
    replicas: int, sources: str = CERT_MANAGER, *, crds: bool = False
) -> dict[str, Any]:
    """Values of the chart `trust-manager`; sources of a Bundle are read in `sources`."""
    return {
        **(CRD_VALUES if crds else NO_CRDS),
        "replicaCount": replicas,
        "podDisruptionBudget": {"enabled": replicas > 1},
        "app": {"trust": {"namespace": sources}},
        # The bundle of public CAs is not ours to hand out.
        "defaultPackage": {"enabled": False},
    }


def arguments(
    config: HasCertManager, charts: Mapping[str, ChartRef], *, gateways: bool = False
) -> CertManagerArgs:
    """Arguments of `CertManager`; `gateways`: whether an ingress gateway answers for ACME."""
    names = ("cert-manager", "cert-manager-crds", "trust-manager", "trust-manager-crds")
    given: dict[str, Any] = {n.replace("-", "_"): charts[n] for n in names if n in charts}
    return CertManagerArgs(
        create_namespace=False,
        gateways=gateways,
        **given,
        **config.cert_manager.model_dump(),
    )


# What is said of somebody else's, and of ours alone, by the key that says whose it is.
_OF_THEIRS = {
    "install": ("namespace", "cluster_resource_namespace", "service_account"),
    "install_trust_manager": ("trust_manager_namespace", "trust_namespace"),
}
_OF_OURS = {"install": "replicas", "install_trust_manager": "trust_manager_replicas"}


def check(config: HasCertManager) -> Iterator[Fault]:
    """All faults of `certManager`.

    - `namespace`, `clusterResourceNamespace` and `serviceAccount` are for `install: false`,
      `trustManagerNamespace` and `trustNamespace` for `installTrustManager: false`: ours are in
      `cert-manager`. The replicas are for ours.
    """
    section = config.cert_manager
    fields, key_of = type(section).model_fields, section.key_of
    for switch, keys in _OF_THEIRS.items():
        ours, looks_at = getattr(section, switch), (("certManager", key_of(switch)),)
        for key in keys:
            if ours and getattr(section, key) != fields[key].default:
                message = f"says where an existing one is: give {key_of(switch)}: false with it"
                yield Fault(("certManager", key_of(key)), message, looks_at=looks_at)
        key = _OF_OURS[switch]
        if not ours and getattr(section, key) != fields[key].default:
            message = f"is for ours, and {key_of(switch)} is false: leave it out"
            yield Fault(("certManager", key_of(key)), message, looks_at=looks_at)
