"""What nobody declares and everybody has: one table of what controllers make by themselves.

An object in a namespace of ours that is not in the state, and that no row here accounts for, was
made by somebody. tests/unit/test_drift_known.py has for each row an object that it lets pass, and
one beside it that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from bot.mesh.drift.declared import Declared
from bot.mesh.drift.inventory import Inventory, Item

_CERTIFICATE_NAME = "cert-manager.io/certificate-name"
_DIRECT_INJECTION = "cert-manager.io/allow-direct-injection"
_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"

# Kinds that say how things are and change nothing; they are not even listed.
RECORDS: Mapping[str, str] = {
    "Event": "what happened, kept for an hour",
    "Event.events.k8s.io": "the same events by another name",
    "Lease.coordination.k8s.io": "which replica leads",
    "CiliumEndpoint.cilium.io": "a pod's network, written by Cilium's agent",
    "PolicyReport.wgpolicyk8s.io": "what a policy engine found",
    "PolicyReport.openreports.io": "what a policy engine found",
    "EphemeralReport.reports.kyverno.io": "what Kyverno found",
    "VerticalPodAutoscalerCheckpoint.autoscaling.k8s.io": "what the autoscaler has seen",
    "VulnerabilityReport.aquasecurity.github.io": "what Trivy's operator found",
    "ConfigAuditReport.aquasecurity.github.io": "what Trivy's operator found",
    "ExposedSecretReport.aquasecurity.github.io": "what Trivy's operator found",
    "RbacAssessmentReport.aquasecurity.github.io": "what Trivy's operator found",
    "SbomReport.aquasecurity.github.io": "what Trivy's operator found",
}
# Kind -> the kinds whose controller makes it; the controller's reference must name one of these.
MADE_FROM: Mapping[str, tuple[str, ...]] = {
    "ReplicaSet.apps": ("Deployment.apps",),
    "ControllerRevision.apps": ("StatefulSet.apps", "DaemonSet.apps"),
    "Job.batch": ("CronJob.batch",),
    "Pod": ("ReplicaSet.apps", "StatefulSet.apps", "DaemonSet.apps", "Job.batch"),
    "EndpointSlice.discovery.k8s.io": ("Service",),
    "CertificateRequest.cert-manager.io": ("Certificate.cert-manager.io",),
    "Order.acme.cert-manager.io": ("CertificateRequest.cert-manager.io",),
    "Challenge.acme.cert-manager.io": ("Order.acme.cert-manager.io",),
    # cert-manager keeps the next private key in one until the certificate is there.
    "Secret": ("ExternalSecret.external-secrets.io", "Certificate.cert-manager.io"),
    "ExternalSecret.external-secrets.io": ("ClusterExternalSecret.external-secrets.io",),
    "ConfigMap": ("Bundle.trust.cert-manager.io",),
}


@dataclass(frozen=True)
class Scene:
    """What a row may look at: the state, and everything that was found."""

    declared: Declared
    inventory: Inventory

    @cached_property
    def by_uid(self) -> Mapping[str, Item]:
        """Every object that was found."""
        return {each.uid: each for each in self.inventory.items if each.uid}

    @cached_property
    def keys(self) -> frozenset[tuple[str, str, str | None, str]]:
        """Every object that was found, by its key."""
        return frozenset(each.key for each in self.inventory.items)

    def maker(self, item: Item) -> Item | None:
        """The object that its controller made it from; None where none accounts for it."""
        owner = self.by_uid.get(item.owner or "")
        makers = MADE_FROM.get(item.kind.title, ())
        if owner is None or owner.kind.title not in makers:
            return None
        # A reference into another namespace is void, and says nothing.
        return owner if owner.namespace in (None, item.namespace) else None


@dataclass(frozen=True)
class KnownObject:
    """Objects of one kind that are made without anybody's asking: by whom, and how one tells."""

    kind: str
    maker: str
    applies: Callable[[Item, Scene], bool]


ROWS: tuple[KnownObject, ...] = (
    KnownObject(
        "ConfigMap",
        "kube-controller-manager puts the cluster's CA into every namespace",
        lambda item, _scene: item.name == "kube-root-ca.crt",
    ),
    KnownObject(
        "ServiceAccount",
        "kube-controller-manager makes the account `default` in every namespace",
        lambda item, _scene: item.name == "default",
    ),
    KnownObject(
        "Secret",
        "before Kubernetes 1.24 the account `default` has a token",
        lambda item, _scene: (
            item.name.startswith("default-token-")
            and item.annotations.get(_ACCOUNT_NAME) == "default"
            and item.managers == ("kube-controller-manager",)
        ),
    ),
    KnownObject(
        "Endpoints",
        "kube-controller-manager makes them for the Service of that name",
        lambda item, scene: ("", "Service", item.namespace, item.name) in scene.keys,
    ),
    KnownObject(
        "Secret",
        "cert-manager writes it for a Certificate that is declared",
        lambda item, scene: written_by_cert_manager(item, scene.declared),
    ),
    KnownObject(
        "Secret",
        "cert-manager's webhook makes its own CA",
        lambda item, _scene: (
            item.name == "cert-manager-webhook-ca"
            and item.annotations.get(_DIRECT_INJECTION) == "true"
        ),
    ),
    KnownObject(
        "Secret",
        "Helm keeps the revisions of a release that is declared",
        lambda item, scene: (
            item.labels.get("owner") == "helm"
            and (item.namespace, item.labels.get("name", "")) in scene.declared.releases
            and item.name.startswith(f"sh.helm.release.v1.{item.labels['name']}.v")
        ),
    ),
    KnownObject(
        "APIService.apiregistration.k8s.io",
        "the API server registers what a CRD adds",
        lambda item, _scene: item.labels.get(_AUTOMANAGED) in ("true", "onstart"),
    ),
)


def accounts_for(item: Item, scene: Scene) -> KnownObject | None:
    """The first row that accounts for an object; None where somebody must have made it."""
    rows = (row for row in ROWS if row.kind == item.kind.title)
    return next((row for row in rows if row.applies(item, scene)), None)


def written_by_cert_manager(item: Item, declared: Declared) -> bool:
    """True for the Secret of a declared Certificate, when nobody but cert-manager filled it."""
    certificate = declared.certificates.get((item.namespace, item.name))
    return (
        certificate is not None
        and item.annotations.get(_CERTIFICATE_NAME) == certificate
        and all(name.startswith("cert-manager") for name in data_managers(item))
    )


def data_managers(item: Item) -> tuple[str, ...]:
    """Who filled a Secret or ConfigMap."""
    filled = (each.manager for each in item.managed if "f:data" in each.fields)
    return tuple(dict.fromkeys(filled))
