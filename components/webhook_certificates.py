"""Certificates of Linkerd's webhooks and of the tap API, from a CA that signs nothing else."""

from __future__ import annotations

from typing import Protocol

import pulumi

from components.base import Args, Component, KubernetesObject, Manifest
from components.cert_manager import HasCertManager
from components.names import CERT_MANAGER, LINKERD, LINKERD_VIZ
from components.trust import HasTrust

WEBHOOK_CA = "linkerd-webhook-ca"
SELF_SIGNED = "linkerd-webhook-self-signed"

# Secret name -> name of the service, as the charts have them.
CONTROL_PLANE_WEBHOOKS = {
    "linkerd-proxy-injector-k8s-tls": "linkerd-proxy-injector",
    "linkerd-sp-validator-k8s-tls": "linkerd-sp-validator",
    "linkerd-policy-validator-k8s-tls": "linkerd-policy-validator",
}
VIZ_WEBHOOKS = {"tap-k8s-tls": "tap", "tap-injector-k8s-tls": "tap-injector"}
# A Rust server, which reads no other encoding (https://github.com/linkerd/linkerd2/issues/7963).
PKCS8_ONLY = frozenset({"linkerd-policy-validator"})


class WebhookCertificatesArgs(Args):
    """Lifetimes as cert-manager reads them (`168h`), and whether viz has webhooks too.

    namespace: where cert-manager reads the Secrets of ClusterIssuers, and the CA's lies.
    """

    ca_duration: str = "8760h0m0s"
    ca_renew_before: str = "1440h0m0s"
    duration: str = "168h0m0s"
    renew_before: str = "72h0m0s"
    viz: bool = True
    namespace: str = CERT_MANAGER


class WebhookCertificates(Component, area="trust"):
    """A self-signed CA in `cert-manager`, a ClusterIssuer on it, and one Certificate per webhook.

    `control_plane` and `viz` are ready when their Secrets are there.
    """

    control_plane: list[KubernetesObject]
    viz: list[KubernetesObject]

    def __init__(
        self, name: str, args: WebhookCertificatesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        root = self.apply(self_signed_issuer(), wait_for="condition=Ready")
        ca = self.apply(ca_certificate(args), root, name="ca", wait_for="condition=Ready")
        issuer = self.apply(ca_issuer(), ca, name="issuer", wait_for="condition=Ready")
        self.control_plane = [
            self.apply(
                certificate(args, secret, service, LINKERD), issuer, wait_for="condition=Ready"
            )
            for secret, service in CONTROL_PLANE_WEBHOOKS.items()
        ]
        self.viz = [
            self.apply(
                certificate(args, secret, service, LINKERD_VIZ), issuer, wait_for="condition=Ready"
            )
            for secret, service in (VIZ_WEBHOOKS.items() if args.viz else ())
        ]
        self.done(issuer=WEBHOOK_CA, certificates=len(self.control_plane) + len(self.viz))


def self_signed_issuer() -> Manifest:
    """The issuer of the CA itself."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": SELF_SIGNED},
        "spec": {"selfSigned": {}},
    }


def ca_certificate(args: WebhookCertificatesArgs) -> Manifest:
    """The CA of the webhooks, in the namespace where a ClusterIssuer looks for it."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": WEBHOOK_CA, "namespace": args.namespace},
        "spec": {
            "secretName": WEBHOOK_CA,
            "commonName": "webhook.linkerd.cluster.local",
            "isCA": True,
            "duration": args.ca_duration,
            "renewBefore": args.ca_renew_before,
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "usages": ["cert sign", "crl sign"],
            "revisionHistoryLimit": 3,
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": "ClusterIssuer",
                "name": SELF_SIGNED,
            },
        },
    }


def ca_issuer() -> Manifest:
    """The ClusterIssuer that signs with that CA."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": WEBHOOK_CA},
        "spec": {"ca": {"secretName": WEBHOOK_CA}},
    }


def certificate(
    args: WebhookCertificatesArgs, secret: str, service: str, namespace: str
) -> Manifest:
    """The serving Certificate of one webhook.

    Follows https://linkerd.io/2/tasks/automatically-rotating-webhook-tls-credentials/
    """
    host = f"{service}.{namespace}.svc"
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": secret, "namespace": namespace},
        "spec": {
            "secretName": secret,
            "commonName": host,
            "dnsNames": [host],
            "duration": args.duration,
            "renewBefore": args.renew_before,
            "privateKey": {
                "algorithm": "ECDSA",
                "size": 256,
                "encoding": "PKCS8" if service in PKCS8_ONLY else "PKCS1",
                "rotationPolicy": "Always",
            },
            "usages": ["server auth"],
            "revisionHistoryLimit": 3,
            "issuerRef": {
                "group": "cert-manager.io",
                "kind": "ClusterIssuer",
                "name": WEBHOOK_CA,
            },
        },
    }


def from_cert_manager(secret: str, namespace: str) -> dict[str, object]:
    """Chart values of a webhook whose certificate is `secret`: nothing is made at render time.

    cainjector then owns the caBundle, and the chart renders the same text every time.
    """
    return {"externalSecret": True, "injectCaFrom": f"{namespace}/{secret}"}


class _Config(HasTrust, HasCertManager, Protocol):
    """The sections that the certificates are made from."""


def arguments(config: _Config, *, viz: bool) -> WebhookCertificatesArgs:
    """Arguments of `WebhookCertificates`; `viz`: whether that has webhooks too."""
    webhooks = config.trust.webhooks
    return WebhookCertificatesArgs(
        ca_duration=webhooks.ca_duration.go,
        ca_renew_before=webhooks.ca_renew_before.go,
        duration=webhooks.duration.go,
        renew_before=webhooks.renew_before.go,
        viz=viz,
        namespace=config.cert_manager.issuer_secrets,
    )
