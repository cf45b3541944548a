"""The namespaces of the platform, labelled before anything is put into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pulumi

from components.base import Args, Component, Manifest
from components.names import (
    CERT_MANAGER,
    CONTROL_PLANE_LABEL,
    ENVOY_GATEWAY,
    EXTERNAL_SECRETS,
    LINKERD,
    LINKERD_BUOYANT,
    LINKERD_EGRESS_GATEWAY,
    LINKERD_INGRESS,
    LINKERD_TRACING,
    LINKERD_VIZ,
)

PodSecurity = Literal["privileged", "baseline", "restricted"]

# These must start without Linkerd, which cannot start without them: no webhook of Linkerd's looks
# at them. https://linkerd.io/2/features/proxy-injection/
NO_WEBHOOKS = {"config.linkerd.io/admission-webhooks": "disabled"}
NOT_MESHED = {"linkerd.io/inject": "disabled"}
MESHED = {"linkerd.io/inject": "enabled"}


class NamespacesArgs(Args):
    """Which extensions have a namespace, and the Prometheus that viz reads instead of its own.

    tracing: whether a collector of ours runs. cert_manager, external_secrets: whether they are
    ours, and so are their namespaces. gateways: whether Envoy Gateway runs; ingress,
    egress_gateway: whether these gateways do.
    """

    viz: bool = True
    buoyant_cloud: bool = False
    prometheus_url: str | None = None
    tracing: bool = False
    cert_manager: bool = True
    external_secrets: bool = True
    gateways: bool = False
    ingress: bool = False
    egress_gateway: bool = False


class Namespaces(Component, area="cluster"):
    """One Namespace per part; `names` lists them."""

    names: list[str]

    def __init__(
        self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        manifests_ = manifests(args)
        for manifest in manifests_:
            self.apply(manifest)
        self.names = [manifest["metadata"]["name"] for manifest in manifests_]
        self.done(names=self.names)


def manifests(args: NamespacesArgs) -> list[Manifest]:
    """The Namespaces, with the labels that Linkerd's own installer gives them.

    linkerd2 charts/linkerd-control-plane/templates/namespace.yaml and viz/charts/linkerd-viz.
    The proxy's init container sets up iptables, hence `privileged` where proxies are.
    """
    made = [of_cert_manager()] if args.cert_manager else []
    if args.external_secrets:
        made.append(namespace(EXTERNAL_SECRETS, "restricted", NO_WEBHOOKS, NOT_MESHED))
    made.append(of_linkerd())
    if args.viz:
        made.append(of_viz(args.prometheus_url))
    if args.buoyant_cloud:
        made.append(namespace(LINKERD_BUOYANT, "privileged", {"linkerd.io/extension": "buoyant"}))
    if args.tracing:
        # Proxies send spans to an identity, which the collector has from its own proxy. No label of
        # an extension: `linkerd check` would look for a program of that name.
        made.append(namespace(LINKERD_TRACING, "privileged", annotations=MESHED))
    if args.gateways:
        made.append(of_envoy_gateway())
    if args.ingress:
        made.append(of_ingress())
    if args.egress_gateway:
        made.append(of_egress_gateway())
    return made


def of_cert_manager() -> Manifest:
    """The namespace of cert-manager and trust-manager."""
    return namespace(CERT_MANAGER, "restricted", NO_WEBHOOKS, NOT_MESHED)


def of_linkerd() -> Manifest:
    """The namespace of the control plane."""
    labels = {CONTROL_PLANE_LABEL: "true", "linkerd.io/control-plane-ns": LINKERD}
    return namespace(LINKERD, "privileged", {**labels, **NO_WEBHOOKS}, NOT_MESHED)


def of_envoy_gateway() -> Manifest:
    """The namespace of Envoy Gateway, whose connections to its proxies have TLS of their own."""
    return namespace(ENVOY_GATEWAY, "baseline", annotations=NOT_MESHED)


def of_ingress() -> Manifest:
    """The namespace of the ingress gateway: its proxies have an identity from the mesh."""
    return namespace(LINKERD_INGRESS, "privileged", annotations=MESHED)


def of_egress_gateway() -> Manifest:
    """The namespace of the egress gateway: callers know its proxies by their identity."""
    return namespace(LINKERD_EGRESS_GATEWAY, "privileged", annotations=MESHED)


def of_viz(prometheus_url: str | None) -> Manifest:
    """The namespace of viz, which says whose Prometheus it reads unless it brings one."""
    external = {"viz.linkerd.io/external-prometheus": prometheus_url} if prometheus_url else {}
    return namespace(LINKERD_VIZ, "privileged", {"linkerd.io/extension": "viz"}, external)


def namespace(
    name: str,
    pod_security: PodSecurity,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """A Namespace with its pod security level.

    Follows https://kubernetes.io/docs/concepts/security/pod-security-admission/
    """
    metadata: Manifest = {
        "name": name,
        "labels": {"pod-security.kubernetes.io/enforce": pod_security, **(labels or {})},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
