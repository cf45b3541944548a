"""The checks of Linkerd's own extensions, and all of them together; see `upstream.py`."""

from __future__ import annotations

from dataclasses import replace

from bot.mesh.status.upstream import CORE, FORWARD, NEWEST, SCRAPE, SERVED
from bot.mesh.status.upstream_check import Upstream, left, row

_LINKS = "this program links no clusters; the CLI asks each of them"

_VIZ = {
    "linkerd-viz": (
        row("linkerd-viz Namespace exists", "l5d-viz-ns-exists", "extensions/viz-namespace"),
        left("can initialize the client", "l5d-viz-existence-client", FORWARD, running=True),
        row("linkerd-viz ClusterRoles exist", "l5d-viz-cr-exists", "extensions/viz-roles"),
        row(
            "linkerd-viz ClusterRoleBindings exist", "l5d-viz-crb-exists", "extensions/viz-bindings"
        ),
        row("tap API server has valid cert", "l5d-tap-cert-valid", "certificates/served-tap"),
        replace(
            row(
                "tap API server cert is valid for at least 60 days",
                "l5d-tap-cert-not-expiring-soon",
                "certificates/served-tap",
            ),
            design=SERVED,
        ),
        row("tap API service is running", "l5d-tap-api", "extensions/viz-tap-api"),
        replace(
            row(
                "linkerd-viz pods are injected", "l5d-viz-pods-injection", "extensions/viz-injected"
            ),
            running=True,
        ),
        row(
            "viz extension pods are running",
            "l5d-viz-pods-running",
            "extensions/viz-pods",
            "extensions/viz-deployments",
        ),
        replace(
            row(
                "viz extension proxies are healthy",
                "l5d-viz-proxy-healthy",
                "extensions/viz-proxies",
                "certificates/proxies-bundle",
            ),
            running=True,
        ),
        replace(
            row(
                "viz extension proxies are up-to-date",
                "l5d-viz-proxy-cp-version",
                "extensions/viz-versions",
            ),
            design=NEWEST,
        ),
        row(
            "viz extension proxies and cli versions match",
            "l5d-viz-proxy-cli-version",
            "extensions/viz-versions",
            "versions/cli",
        ),
        row(
            "prometheus is installed and configured correctly",
            "l5d-viz-prometheus",
            "extensions/viz-prometheus",
        ),
        left("viz extension self-check", "l5d-viz-metrics-api", FORWARD, running=True),
    ),
    "linkerd-viz-data-plane": (
        row("data plane namespace exists", "l5d-data-plane-exists", "rollout/plan"),
        left(
            "prometheus is authorized to scrape data plane pods",
            "l5d-viz-data-plane-prom-authz",
            SCRAPE,
        ),
        left(
            "data plane proxy metrics are present in Prometheus",
            "l5d-data-plane-prom",
            FORWARD,
            running=True,
        ),
    ),
}
_MULTICLUSTER = {
    "linkerd-multicluster": tuple(
        left(description, f"l5d-{anchor}", _LINKS)
        for description, anchor in (
            ("Link CRD exists", "multicluster-link-crd-exists"),
            ("Link resources are valid", "multicluster-links-are-valid"),
            ("Link and CLI versions match", "multicluster-links-version"),
            ("remote cluster access credentials are valid", "smc-target-clusters-access"),
            ("clusters share trust anchors", "multicluster-clusters-share-anchors"),
            (
                "service mirror controller has required permissions",
                "multicluster-source-rbac-correct",
            ),
            ("service mirror controllers are running", "multicluster-service-mirror-running"),
            ("extension is managing controllers", "multicluster-managed-controllers"),
            (
                "probe services able to communicate with all gateway mirrors",
                "multicluster-gateways-endpoints",
            ),
            ("all mirror services have endpoints", "multicluster-services-endpoints"),
            ("all mirror services are part of a Link", "multicluster-orphaned-services"),
            ("multicluster extension proxies are healthy", "multicluster-proxy-healthy"),
            ("multicluster extension proxies are up-to-date", "multicluster-proxy-cp-version"),
            (
                "multicluster extension proxies and cli versions match",
                "multicluster-proxy-cli-version",
            ),
        )
    ),
}
# Every check, by category and description, in the order of the CLI.
CHECKS: dict[tuple[str, str], Upstream] = {
    (category, each.description): replace(each, category=category)
    for category, rows in {**CORE, **_VIZ, **_MULTICLUSTER}.items()
    for each in rows
}
