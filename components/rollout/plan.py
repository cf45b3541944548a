"""Look-ups in the rollout plan, for the rules, the program and the bot alike."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Protocol
from urllib.parse import urlsplit

from components.external_secrets import HasOperators, operators
from components.names import CERT_MANAGER, EXTERNAL_SECRETS
from components.rollout.section import HasRollout, Wave, WaveNamespace
from components.vault import HasVault
from components.viz import HasViz

# Kubernetes' own, and what the mesh takes its certificates from: a proxy there waits for itself.
_OWN = ("kube-node-lease", "kube-public", "kube-system", "vault", CERT_MANAGER, EXTERNAL_SECRETS)
# The one list of what is never meshed, as shell patterns: what a pod, a node or an admission needs
# to start at all: a proxy that waits for the mesh, or a webhook that fails, stops a cold start.
# The names are those of each project's own manifests; one that a pattern covers as well stands here
# for the injector's selector, which has no patterns.
NEVER: dict[str, tuple[str, ...]] = {
    "runs what the mesh itself needs": (
        *_OWN,
        *("csi-secrets-store", "openbao", "secrets-store-csi-driver", "spire", "spire-*"),
        *("spire-server", "spire-system"),
        *("trust-manager", "vault-secrets-operator-system"),
    ),
    "runs the network of the pods": (
        *("antrea-system", "calico-*", "calico-apiserver", "calico-system", "cilium", "cilium-*"),
        *("cilium-secrets", "kube-flannel", "kube-ovn"),
        *("kube-router", "kube-vip", "metallb-system", "multus", "multus-*", "ovn-*"),
        *("egressgateway", "network-operator", "spiderpool", "whereabouts"),
        *(
            "sriov-network-operator",
            "submariner-*",
            "tigera-*",
            "tigera-operator",
            "weave",
            "weave-*",
        ),
    ),
    "runs the storage of the nodes": (
        *("ceph-csi-*", "csi-*", "linstor-*", "local-path-storage", "longhorn-system", "mayastor"),
        *("openebs", "piraeus-*", "portworx", "rook-*", "rook-ceph", "topolvm-system", "trident"),
        *("democratic-csi", "harvester-system", "linstor", "longhorn", "openebs-*"),
        "snapshot-controller",
    ),
    "runs what the nodes need": (
        *("gpu-operator", "karpenter", "kubevirt", "node-feature-discovery", "nvidia-*"),
        *("cluster-autoscaler", "capa-system", "capg-system", "capi-*", "capz-system"),
        *("baremetal-operator-system", "cdi", "kured", "metal3"),
    ),
    "is the cloud's or the distribution's own": (
        *("aks-*", "amazon-*", "anthos-*", "aws-*", "azure-*", "cattle-*", "cattle-system"),
        *("cnrm-system", "config-management-*", "eks-*", "gke-*", "gke-managed-system"),
        *("gmp-*", "gmp-public", "gmp-system", "openshift"),
        *("openshift-*", "pinniped-*", "tanzu-*", "tkg-*", "vmware-system-*"),
        *("d8-*", "fleet-default", "fleet-local", "hypershift", "k0s-*", "multicluster-engine"),
        *("oci-native-ingress-controller-system", "pks-system"),
        *("open-cluster-management", "open-cluster-management-*", "svc-tkg-*", "tkr-*"),
    ),
    "decides which objects may be made": (
        *("cosign-system", "gatekeeper-system", "kubewarden", "kyverno", "kyverno-*", "opa-*"),
        *("connaisseur", "neuvector", "opa", "ratify-*", "stackrox"),
    ),
    "deploys the cluster": (
        *("argo-cd", "argocd", "flux-system", "fleet-system", "pulumi-kubernetes-operator"),
    ),
    "is another mesh": ("istio-*", "istio-system", "kuma-system", "osm-system"),
}


def named(config: HasRollout) -> Iterator[tuple[Wave, WaveNamespace]]:
    """Every namespace that the plan names, with its wave, in the order of adoption."""
    for wave in config.rollout.waves:
        for namespace in wave.namespaces:
            yield wave, namespace


def waves_by_namespace(config: HasRollout) -> dict[str, Wave]:
    """The wave of each namespace that the plan names."""
    return {namespace.name: wave for wave, namespace in named(config)}


def unplanned(config: HasRollout, namespace: str) -> str | None:
    """Why the plan does not mesh a namespace; None where it does, or is to one day."""
    planned = next((each for _, each in named(config) if each.name == namespace), None)
    if planned is None:
        return "is in no wave of rollout"
    return "is an opt-out of rollout" if planned.opt_out else None


class HasPlan(HasRollout, HasViz, HasVault, HasOperators, Protocol):
    """A config with the plan and what must stay outside it."""


def forbidden(config: HasPlan, namespace: str) -> str | None:
    """Why a namespace must never be meshed by the plan; None where it may."""
    for why, patterns in NEVER.items():
        if any(fnmatchcase(namespace, pattern) for pattern in patterns):
            return why
    if namespace in operators(config).namespaces:
        return "has an operator that the mesh needs"
    if namespace == "linkerd" or namespace.startswith("linkerd-"):
        return "is Linkerd's own, which decides about its proxies itself"
    if namespace == service_namespace(config.viz.prometheus_url):
        return "has the Prometheus of viz.prometheusUrl, which must see the mesh from outside"
    if namespace == service_namespace(config.vault.address):
        return "has the Vault of vault.address, which the mesh gets its certificates from"
    if namespace in config.rollout.never:
        return "is in rollout.never"
    return None


def passed_by(config: HasPlan) -> tuple[str, ...]:
    """The namespaces that the injector's webhook is not to look at, beside the chart's own.

    Empty unless the stack names one, in `rollout.never`, as that of Vault or of an operator; then
    all names of the built-in list are among them. A selector has no patterns: it has none of those.
    """
    vault = service_namespace(config.vault.address)
    asked = {*config.rollout.never, *([vault] if vault else [])}
    where = operators(config)
    if where.theirs:
        # Ours have a label that says it; namespaces of others are not ours to label.
        asked |= {*where.namespaces}
    names = {each for patterns in NEVER.values() for each in patterns if "*" not in each}
    return tuple(sorted(asked | names)) if asked else ()


def service_namespace(url: str | None) -> str | None:
    """The namespace of the Service at an address; None where it is outside the cluster.

    A Service is reached as `<name>.<namespace>` or `<name>.<namespace>.svc.<cluster domain>`:
    https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    """
    host = urlsplit(url or "").hostname or ""
    parts = host.split(".")
    in_cluster = len(parts) == 2 or (len(parts) > 2 and parts[2] == "svc")
    return parts[1] if in_cluster else None
