"""A sandbox that is watched: our rules and PodMonitors in it, and a real Prometheus that has them.

What is scraped is what the real processes say: cert-manager, External Secrets, trust-manager,
kube-state-metrics, the API server. Prometheus finds them as it would in a cluster, by the pods of
the charts and by our PodMonitors; both are read back from the API server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml

from bot.plan.mock import engine as mock_engine
from components.alerts import arguments as arguments_observability
from components.alerts import component as alerts
from components.alerts.groups.model import Thresholds
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from tests.e2e import identity_process, mesh_objects, real_prometheus, watched_scrapes
from tests.e2e.by_hand import ByHand
from tests.e2e.identity import Bundle
from tests.e2e.identity_process import IdentityProcess
from tests.e2e.leaves import Issuer
from tests.e2e.mesh_objects import Manifest, Objects
from tests.e2e.project import PROJECT
from tests.e2e.sandbox_cluster import CORE, Cluster

MESHED = "shop"
RUNBOOKS = "https://runbooks.example.com/alerts"
_SECONDS = 240.0
_POLL_SECONDS = 0.5
# How often a state is seen before it counts: what is on its way would have come by then.
_STEADY = 6
_CHARTS = ("cert-manager", "trust-manager", "external-secrets", "linkerd-control-plane")
# Seconds in place of minutes and hours; the stack file refuses less than a minute.
_SHORT = {
    "issuer_left": 15,
    "issuer_reload": 2,
    "renewal_overdue": 3,
    "settle": 2,
    "not_ready": 2,
    "unmeshed": 2,
    "old_proxies": 2,
    "metrics_missing": 12,
}
# On every alert, and the same on each.
_COMMON = {"severity", "cluster", "environment", "part_of"}
Fired = frozenset[tuple[str, str]]


def alert(alertname: str, /, **labels: str) -> Fired:
    """An alert by its name and the labels that tell it from others of that name."""
    return frozenset({"alertname": alertname, **labels}.items())


@dataclass(frozen=True)
class Watched:
    """The cluster, the address of its Prometheus, and Linkerd's own identity where it can run."""

    cluster: Cluster
    objects: Objects
    hand: ByHand
    prometheus: str
    identity: IdentityProcess | None

    def firing(self) -> set[Fired]:
        """What fires now."""
        found = [each["labels"] for each in real_prometheus.firing(self.prometheus)]
        return {frozenset((k, v) for k, v in each.items() if k not in _COMMON) for each in found}

    def annotations(self, wanted: Fired) -> Mapping[str, str]:
        """What a receiver of an alert would read."""
        (found,) = [
            each["annotations"]
            for each in real_prometheus.firing(self.prometheus)
            if wanted <= each["labels"].items()
        ]
        return dict(found)

    def until(self, expected: set[Fired], lingering: frozenset[str] = frozenset()) -> None:
        """Return when these fire for some seconds, and nothing else does.

        `lingering` are names of alerts about a time that is not over yet; they may fire or not.
        """
        steady, deadline = 0, time.monotonic() + _SECONDS
        while steady < _STEADY:
            found = {each for each in self.firing() if dict(each)["alertname"] not in lingering}
            steady = steady + 1 if found == expected else 0
            assert steady or time.monotonic() < deadline, (
                f"missing: {[dict(each) for each in expected - found]}, "
                f"too much: {[dict(each) for each in found - expected]}"
            )
            time.sleep(_POLL_SECONDS)

    def deliver_issuer(self) -> None:
        """Bring identity the issuer that is in its Secret now, as a kubelet does."""
        if self.identity:
            self.identity.take(_issuer(self.cluster))

    @staticmethod
    def pause() -> None:
        """Let Prometheus scrape and evaluate once."""
        time.sleep(1.5)

    def pods(self, namespace: str, selector: str = "") -> list[Manifest]:
        """The pods of a namespace, by name."""
        query = f"?labelSelector={selector}" if selector else ""
        found = self.cluster.get(f"{CORE}/{namespace}/pods{query}")
        assert found
        return sorted(found["items"], key=lambda each: str(each["metadata"]["name"]))


def stack_file(folder: Path, cluster: Cluster) -> Path:
    """The sandbox's own stack file with this cluster's addresses, watched, one namespace meshed."""
    document = yaml.safe_load((PROJECT / "Pulumi.sandbox.yaml").read_text(encoding="utf-8"))
    settings, config = cluster.settings, document["config"]
    ours = {
        "cluster": {
            "kubeconfig": str(settings.kubeconfig),
            "apiServer": settings.kube_host,
            "caFile": str(settings.pki_dir / "ca.crt"),
        },
        "vault": {
            "address": settings.vault_addr,
            "caFile": str(settings.pki_dir / "vault-ca.crt"),
        },
        "rollout": {"waves": [{"name": "first", "state": "on", "namespaces": [MESHED]}]},
        "observability": {
            "alerts": {"form": "prometheus-rule", "runbooks": RUNBOOKS},
            "monitors": {"enabled": True},
        },
    }
    for name, section in ours.items():
        key = f"linkerd-platform:{name}"
        config[key] = {**config.get(key, {}), **section}
    file = folder / "Pulumi.sandbox.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


@contextmanager
def watched(
    folder: Path, cluster: Cluster, crds: list[Manifest], state_metrics: Path
) -> Iterator[Watched]:
    """Put everything into the cluster, then start what looks at it; all ends with the cluster.

    `crds` are those of the operators and of prometheus-operator, `state_metrics` is the program.
    """
    objects, hand = Objects(cluster.api), ByHand(cluster.settings)
    objects.apply(*crds)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MESHED}}
    hand.apply(namespace)
    evaluation = mock_engine.evaluate(stack_file(folder, cluster), PROJECT, preview=False)
    for resource in evaluation.resources:
        if resource.type.startswith("vault:"):
            hand.make_in_vault(resource)
        elif resource.type.startswith("kubernetes:") and "kind" in resource.inputs:
            hand.apply(dict(resource.inputs))
    objects.apply(*_pods_of_charts())
    hand.apply(_short_rules(evaluation))
    _wait("every Deployment", lambda: _available(cluster))
    port = watched_scrapes.state_metrics(cluster, state_metrics)
    identity = _identity(cluster, folder)
    admin = int(identity.admin.rpartition(":")[2]) if identity else None
    try:
        config = watched_scrapes.configuration(cluster, folder, port, admin)
        with real_prometheus.started(folder, config) as address:
            yield Watched(cluster, objects, hand, address, identity)
    finally:
        if identity:
            identity.stop()


def _pods_of_charts() -> list[Manifest]:
    """The Deployments of the charts, with what their programs may do."""
    return [
        each
        for chart in _CHARTS
        for each in mesh_objects.rendered(chart)
        if each["kind"] in ("ServiceAccount", "Deployment")
        or each["apiVersion"].startswith("rbac.authorization.k8s.io/")
    ]


def _short_rules(evaluation: mock_engine.Evaluation) -> Manifest:
    """The rules of this stack file, with seconds in place of what a stack file allows."""
    config = evaluation.config
    assert config.cluster
    args = arguments_observability.arguments(config, config.cluster, evaluation.stack)
    assert args
    assert _SHORT.keys() <= Thresholds.model_fields.keys()
    limits = args.setting.thresholds.model_copy(update=_SHORT)
    short = args.setting.model_copy(update={"thresholds": limits})
    return alerts.manifest(args, alerts.RULES, alerts.content(args, alerts.groups(short)))


def _identity(cluster: Cluster, folder: Path) -> IdentityProcess | None:
    """Linkerd's identity service with the issuer of this cluster; None where it cannot be run."""
    if identity_process.missing():
        return None
    roots = f"{CORE}/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}"
    found = cluster.wait(roots, lambda each: "ca-bundle.crt" in each.get("data", {}), _SECONDS)
    bundle = Bundle.of(found["data"]["ca-bundle.crt"])
    day, skew = timedelta(days=1), timedelta(seconds=20)
    made = IdentityProcess("identity", 0.0, bundle, day, skew, api=cluster.api, folder=folder)
    made.restart(bundle, _issuer(cluster))
    return made


def _issuer(cluster: Cluster) -> Issuer:
    path = f"{CORE}/{LINKERD}/secrets/{IDENTITY_ISSUER}"
    return Issuer.of(cluster.wait(path, lambda each: "tls.crt" in each["data"], _SECONDS)["data"])


def _available(cluster: Cluster) -> bool:
    found = cluster.get("/apis/apps/v1/deployments")
    assert found
    return bool(found["items"]) and all(
        each["status"].get("availableReplicas") == each["spec"]["replicas"]
        for each in found["items"]
    )


def _wait(what: str, probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not in {_SECONDS:.0f} s"
        time.sleep(_POLL_SECONDS)
