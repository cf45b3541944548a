"""Every check that `linkerd check` of 2.20 makes, and which line of a status has it.

linkerd2 pkg/healthcheck/healthcheck.go (allCategories), viz/pkg/healthcheck/healthcheck.go and
multicluster/cmd/check.go, at edge-26.6.3. docs/status.md is made from this list.
"""

from __future__ import annotations

from dataclasses import replace

from bot.mesh.status.upstream_check import Upstream, left, row

_INSTALL = "for the time before an installation: a preview has the API server try every object"
_CNI = "the program installs no CNI plugin, and without it the CLI skips these as well"
NEWEST = "asks the vendor for the newest release; charts.yaml pins ours, with the reason"
_ISSUER = "the issuer lives 48 hours by design: certificates/issuer-left"
SERVED = "these certificates live days by design: certificates/served-*"
FORWARD = "asks a pod through a port-forward: whether metrics flow is for alerts and dashboards"
SCRAPE = "looks for a policy of one name; ours is `proxy-metrics`, and drift tells when it is gone"

CORE: dict[str, tuple[Upstream, ...]] = {
    "kubernetes-api": (
        row("can initialize the client", "k8s-api", "kubernetes/api"),
        row("can query the Kubernetes API", "k8s-api", "kubernetes/api"),
    ),
    "kubernetes-version": (
        row("is running the minimum Kubernetes API version", "k8s-version", "kubernetes/version"),
    ),
    "pre-kubernetes-setup": (
        left("control plane namespace does not already exist", "pre-ns", _INSTALL),
        left("can create non-namespaced resources", "pre-k8s-cluster-k8s", _INSTALL),
        left("can create ServiceAccounts", "pre-k8s", _INSTALL),
        left("can create Services", "pre-k8s", _INSTALL),
        left("can create Deployments", "pre-k8s", _INSTALL),
        left("can create CronJobs", "pre-k8s", _INSTALL),
        left("can create ConfigMaps", "pre-k8s", _INSTALL),
        left("can create Secrets", "pre-k8s", _INSTALL),
        left("can read Secrets", "pre-k8s", _INSTALL),
        left("can read extension-apiserver-authentication configmap", "pre-k8s", _INSTALL),
        row("no clock skew detected", "pre-k8s-clock-skew", "kubernetes/clocks"),
    ),
    "linkerd-crd": (
        row(
            "control plane CustomResourceDefinitions exist",
            "l5d-existence-crd",
            "control-plane/crds",
        ),
    ),
    "linkerd-existence": (
        row(
            "'linkerd-config' config map exists",
            "l5d-existence-linkerd-config",
            "control-plane/config",
        ),
        row("heartbeat ServiceAccount exist", "l5d-existence-sa", "control-plane/service-accounts"),
        row(
            "control plane replica sets are ready",
            "l5d-existence-replicasets",
            "control-plane/replica-sets",
        ),
        row(
            "no unschedulable pods", "l5d-existence-unschedulable-pods", "control-plane/scheduling"
        ),
        row(
            "control plane pods are ready",
            "l5d-api-control-ready",
            "control-plane/deployments",
            "control-plane/pods",
        ),
        row(
            "cluster networks contains all node podCIDRs",
            "l5d-cluster-networks-cidr",
            "control-plane/networks-nodes",
        ),
        row(
            "cluster networks contains all pods",
            "l5d-cluster-networks-pods",
            "control-plane/networks-pods",
        ),
        row(
            "cluster networks contains all services",
            "l5d-cluster-networks-pods",
            "control-plane/networks-services",
        ),
    ),
    "linkerd-config": (
        row("control plane Namespace exists", "l5d-existence-ns", "control-plane/namespace"),
        row("control plane ClusterRoles exist", "l5d-existence-cr", "control-plane/cluster-roles"),
        row(
            "control plane ClusterRoleBindings exist",
            "l5d-existence-crb",
            "control-plane/cluster-role-bindings",
        ),
        row(
            "control plane ServiceAccounts exist",
            "l5d-existence-sa",
            "control-plane/service-accounts",
        ),
        row(
            "control plane CustomResourceDefinitions exist",
            "l5d-existence-crd",
            "control-plane/crds",
        ),
        row(
            "control plane MutatingWebhookConfigurations exist",
            "l5d-existence-mwc",
            "control-plane/webhooks",
        ),
        row(
            "control plane ValidatingWebhookConfigurations exist",
            "l5d-existence-vwc",
            "control-plane/webhooks",
        ),
        row(
            "proxy-init container runs as root user if docker container runtime is used",
            "l5d-proxy-init-run-as-root",
            "kubernetes/runtime",
        ),
    ),
    "linkerd-cni-plugin": (
        left("cni plugin ConfigMap exists", "cni-plugin-cm-exists", _CNI),
        left("cni plugin ClusterRole exists", "cni-plugin-cr-exists", _CNI),
        left("cni plugin ClusterRoleBinding exists", "cni-plugin-crb-exists", _CNI),
        left("cni plugin ServiceAccount exists", "cni-plugin-sa-exists", _CNI),
        left("cni plugin DaemonSet exists", "cni-plugin-ds-exists", _CNI),
        left("cni plugin pod is running on all nodes", "cni-plugin-ready", _CNI),
    ),
    "linkerd-identity": (
        row(
            "certificate config is valid",
            "l5d-identity-cert-config-valid",
            "certificates/issuer-secret",
            "certificates/bundle",
        ),
        row(
            "trust anchors are using supported crypto algorithm",
            "l5d-identity-trustAnchors-use-supported-crypto",
            "certificates/anchors-algorithm",
        ),
        row(
            "trust anchors are within their validity period",
            "l5d-identity-trustAnchors-are-time-valid",
            "certificates/anchors-validity",
        ),
        row(
            "trust anchors are valid for at least 60 days",
            "l5d-identity-trustAnchors-not-expiring-soon",
            "certificates/anchors-left",
        ),
        row(
            "issuer cert is using supported crypto algorithm",
            "l5d-identity-issuer-cert-uses-supported-crypto",
            "certificates/issuer-algorithm",
        ),
        row(
            "issuer cert is within its validity period",
            "l5d-identity-issuer-cert-is-time-valid",
            "certificates/issuer-validity",
        ),
        replace(
            row(
                "issuer cert is valid for at least 60 days",
                "l5d-identity-issuer-cert-not-expiring-soon",
                "certificates/issuer-left",
            ),
            design=_ISSUER,
        ),
        row(
            "issuer cert is issued by the trust anchor",
            "l5d-identity-issuer-cert-issued-by-trust-anchor",
            "certificates/issuer-chain",
        ),
    ),
    "linkerd-webhooks-and-apisvc-tls": tuple(
        each
        for name in ("proxy-injector", "sp-validator", "policy-validator")
        for each in (
            row(
                f"{name} webhook has valid cert",
                f"l5d-{name}-webhook-cert-valid",
                f"certificates/served-linkerd-{name}",
            ),
            replace(
                row(
                    f"{name} cert is valid for at least 60 days",
                    f"l5d-{name}-webhook-cert-not-expiring-soon",
                    f"certificates/served-linkerd-{name}",
                ),
                design=SERVED,
            ),
        )
    ),
    "linkerd-identity-data-plane": (
        row(
            "data plane proxies certificate match CA",
            "l5d-identity-data-plane-proxies-certs-match-ca",
            "certificates/proxies-bundle",
        ),
    ),
    "linkerd-version": (
        left("can determine the latest version", "l5d-version-latest", NEWEST),
        row("cli is up-to-date", "l5d-version-cli", "versions/cli"),
    ),
    "control-plane-version": (
        row(
            "can retrieve the control plane version",
            "l5d-version-control",
            "versions/control-plane",
        ),
        row("control plane is up-to-date", "l5d-version-control", "versions/control-plane"),
        row("control plane and cli versions match", "l5d-version-control", "versions/cli"),
    ),
    "linkerd-control-plane-proxy": (
        row(
            "control plane proxies are healthy",
            "l5d-cp-proxy-healthy",
            "control-plane/proxies",
            "certificates/proxies-bundle",
        ),
        row(
            "control plane proxies are up-to-date",
            "l5d-cp-proxy-version",
            "versions/control-plane-proxies",
        ),
        row(
            "control plane proxies and cli versions match",
            "l5d-cp-proxy-cli-version",
            "versions/control-plane-proxies",
            "versions/cli",
        ),
    ),
    "linkerd-data-plane": (
        row("data plane namespace exists", "l5d-data-plane-exists", "rollout/plan"),
        row("data plane proxies are ready", "l5d-data-plane-ready", "data-plane/proxies"),
        row("data plane is up-to-date", "l5d-data-plane-version", "versions/proxies"),
        row(
            "data plane and cli versions match",
            "l5d-data-plane-cli-version",
            "versions/proxies",
            "versions/cli",
        ),
        row(
            "data plane pod labels are configured correctly",
            "l5d-data-plane-pod-labels",
            "data-plane/pod-labels",
        ),
        row(
            "data plane service labels are configured correctly",
            "l5d-data-plane-services-labels",
            "data-plane/service-labels",
        ),
        row(
            "data plane service annotations are configured correctly",
            "l5d-data-plane-services-annotations",
            "data-plane/service-annotations",
        ),
        row(
            "opaque ports are properly annotated",
            "linkerd-opaque-ports-definition",
            "data-plane/opaque-ports",
        ),
    ),
    "linkerd-ha-checks": (
        row(
            "multiple replicas of control plane pods",
            "l5d-control-plane-replicas",
            "control-plane/replicas",
        ),
    ),
    "linkerd-extension-checks": (
        row(
            "namespace configuration for extensions",
            "l5d-extension-namespaces",
            "extensions/namespaces",
        ),
    ),
}
