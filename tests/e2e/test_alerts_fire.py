"""Each trouble makes its alerts fire in a real Prometheus, those alone, and they end with it.

Nothing imitates a metric here: the processes of the sandbox say themselves what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from components.alerts.groups.control_plane import INJECTOR_WEBHOOK
from components.names import CERT_MANAGER, EXTERNAL_SECRETS, IDENTITY_ISSUER, LINKERD
from sandbox import controllers, toolchain, vault
from tests.e2e import identity_process, mesh_objects, real_prometheus, troubles
from tests.e2e.sandbox_cluster import CORE, running_sandbox
from tests.e2e.troubles import BLIND, LINGERING, only_these_fire
from tests.e2e.watched import MESHED, RUNBOOKS, Watched, alert, watched
from tests.unit.metric_lists import lists

pytestmark = pytest.mark.e2e
_STATE_METRICS = "kube-state-metrics"
_DEPLOYMENTS = "/apis/apps/v1/namespaces"
slow = pytest.mark.skipif(
    not os.environ.get("E2E_SLOW"),
    reason="the rarer troubles take two minutes more: set E2E_SLOW=1",
)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The watched sandbox, in which nothing is wrong but what nobody can see there."""
    if reason := real_prometheus.missing() or toolchain.missing_reason():
        pytest.skip(reason)
    program = toolchain.find(_STATE_METRICS)
    if program is None:
        pytest.skip(f"{_STATE_METRICS} is neither on PATH nor built: make {_STATE_METRICS}")
    crds = troubles.crds()
    for chart in ("cert-manager", "trust-manager", "external-secrets", "linkerd-control-plane"):
        mesh_objects.rendered(chart)
    folder = tmp_path_factory.mktemp("watched")
    with running_sandbox(folder) as cluster, watched(folder, cluster, crds, program) as made:
        made.until(BLIND)
        yield made


def test_every_object_is_in_the_api_server_as_it_was_made(mesh: Watched) -> None:
    """A field that prometheus-operator's CRDs do not know would be refused, or be gone."""
    plurals = {"prometheusrules": 2, "podmonitors": 6}
    for plural, count in plurals.items():
        found = mesh.cluster.get(f"/apis/monitoring.coreos.com/v1/{plural}")
        assert found
        assert len(found["items"]) == count
    (rules,) = (
        each
        for each in mesh_objects.planned(
            {"observability": {"alerts": {"form": "prometheus-rule", "runbooks": RUNBOOKS}}}
        )
        if each["kind"] == "PrometheusRule" and each["metadata"]["name"].endswith("platform-rules")
    )
    kept = mesh.objects.send({**rules, "metadata": {**rules["metadata"], "name": "kept"}})
    assert kept.ok, kept
    assert kept.body["spec"] == rules["spec"]
    mesh.objects.delete({**rules, "metadata": {**rules["metadata"], "name": "kept"}})


def test_every_rule_is_evaluated_on_real_series(mesh: Watched) -> None:
    """Two replicas, several pods, several API servers: what is joined must be one to one."""
    rules = [
        rule
        for group in real_prometheus.get(mesh.prometheus, "rules")["groups"]
        for rule in group["rules"]
    ]
    assert len(rules) > 60
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


@pytest.mark.parametrize("source", ["cert-manager", "external-secrets", "kube-state-metrics"])
def test_the_lists_of_metrics_are_what_the_programs_export(mesh: Watched, source: str) -> None:
    """The rules are checked against these lists, so the lists must be right."""
    metrics, target = lists()[source]["metrics"], lists()[source]["target"]
    assert isinstance(metrics, dict)
    assert isinstance(target, list)
    wrong, seen = {}, set()
    for name, labels in metrics.items():
        for series in real_prometheus.get(mesh.prometheus, f"series?match[]={name}"):
            seen.add(name)
            given = series.keys() - {"__name__"}
            # One that is empty is not stored; what a scrape adds is there as the job has it.
            if not given <= {*labels, *target, "namespace"}:
                wrong[name] = sorted(given)
    assert wrong == {}
    assert len(seen) >= 4, seen


def test_a_control_plane_below_quorum(mesh: Watched) -> None:
    """One of three is a failure away from none."""
    scale = f"{_DEPLOYMENTS}/{LINKERD}/deployments/linkerd-identity/scale"
    troubles.merge(mesh, scale, {"spec": {"replicas": 1}})
    lost = alert("LinkerdControlPlaneBelowQuorum", namespace=LINKERD, deployment="linkerd-identity")
    only_these_fire(mesh, {lost})
    troubles.merge(mesh, scale, {"spec": {"replicas": 3}})
    mesh.until(BLIND)


def test_a_pod_without_a_proxy_in_a_meshed_namespace(mesh: Watched) -> None:
    """Beside it one with a proxy, which is as it should be."""
    image = troubles.proxy_image()
    mesh.objects.apply(troubles.workload("web", image), troubles.workload("bare", None))
    mesh.cluster.wait_for(f"{_DEPLOYMENTS}/{MESHED}/deployments/bare", "Available")
    outside = alert(
        "LinkerdPodsUnmeshed",
        namespace=MESHED,
        created_by_kind="ReplicaSet",
        created_by_name=troubles.maker(mesh, "bare"),
    )
    only_these_fire(mesh, {outside})
    mesh.objects.apply(troubles.workload("bare", image))
    mesh.until(BLIND)


@slow
def test_a_proxy_of_another_version(mesh: Watched) -> None:
    """It is injected when its pod is made, and stays as old as that."""
    old = "example.invalid/proxy:old"
    mesh.objects.apply(troubles.workload("web", old))
    only_these_fire(mesh, {alert("LinkerdProxyVersionSkew", namespace=MESHED, image_spec=old)})
    mesh.objects.apply(troubles.workload("web", troubles.proxy_image()))
    mesh.until(BLIND)


@slow
def test_an_operator_without_a_ready_pod(mesh: Watched) -> None:
    """Its process goes on here, so the pods' state alone tells."""
    pods = mesh.pods(EXTERNAL_SECRETS, "app.kubernetes.io/name=external-secrets")
    assert len(pods) == 2
    for status in ("False", "True"):
        ready = [{"type": kind, "status": status} for kind in ("Ready", "ContainersReady")]
        for pod in pods:
            path = f"{CORE}/{EXTERNAL_SECRETS}/pods/{pod['metadata']['name']}/status"
            troubles.merge(mesh, path, {"status": {"conditions": ready}})
        if status == "False":
            name = "SecretOperatorNotReady"
            lost = alert(name, namespace=EXTERNAL_SECRETS, deployment="external-secrets")
            only_these_fire(mesh, {lost})
    mesh.until(BLIND)


@slow
def test_an_operator_that_nobody_hears_of_any_more(mesh: Watched) -> None:
    """A silent Prometheus looks like a healthy cluster, and all rules about it are blind."""
    controllers.stop(mesh.cluster.settings, "cert-manager")
    only_these_fire(
        mesh,
        {alert("LinkerdMetricsMissing", namespace=CERT_MANAGER, source="cert-manager")},
    )
    controllers.start(mesh.cluster.settings, "cert-manager")
    mesh.until(BLIND)


def test_a_sealed_vault(mesh: Watched) -> None:
    """The store says so, and the secret that is read through it; each with its own name."""
    name = "linkerd-trust-anchor-sandbox-1"
    secret = f"/apis/external-secrets.io/v1/namespaces/{CERT_MANAGER}/externalsecrets/{name}"
    troubles.merge(mesh, secret, {"spec": {"refreshInterval": "5s"}})
    store = alert(
        "ClusterSecretStoreNotReady", namespace=EXTERNAL_SECRETS, name="linkerd-platform-vault"
    )
    vault.seal(mesh.cluster.settings)
    try:
        only_these_fire(
            mesh, {store, alert("ExternalSecretNotReady", namespace=CERT_MANAGER, name=name)}
        )
    finally:
        vault.unseal(mesh.cluster.settings)
    mesh.until(BLIND, LINGERING)


def test_a_certificate_left_to_expire(mesh: Watched) -> None:
    """Vault no longer lets cert-manager sign; the certificate is late first, and then over."""
    issuer = f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates/{IDENTITY_ISSUER}"
    before = mesh.cluster.wait_for(issuer, "Ready")
    short = {"duration": "40s", "renewBefore": "25s"}
    troubles.merge(mesh, issuer, {"spec": short})
    revision = before["status"]["revision"]
    mesh.cluster.wait(issuer, lambda each: each["status"]["revision"] > revision)
    mesh.deliver_issuer()
    policy = f"/v1/sys/policies/acl/{troubles.policy(mesh)}"
    rights = vault.request(mesh.cluster.settings, "GET", policy)
    assert isinstance(rights, dict)
    vault.request(mesh.cluster.settings, "DELETE", policy)
    labels = {"namespace": LINKERD, "name": IDENTITY_ISSUER}
    late = alert("LinkerdCertificateRenewalOverdue", **labels)
    over = alert("LinkerdCertificateNotReady", **labels)
    ends = {alert("LinkerdIssuerExpiring", namespace=LINKERD)} if mesh.identity else set()
    later = frozenset({"LinkerdCertificateNotReady", "LinkerdIssuerExpiring"})
    only_these_fire(mesh, {late}, later)
    only_these_fire(mesh, {late, over, *ends})
    vault.request(mesh.cluster.settings, "PUT", policy, {"policy": rights["data"]["policy"]})
    kept = {key: before["spec"][key] for key in short}
    revision = mesh.cluster.wait_for(issuer, "Ready", "False")["status"]["revision"]
    troubles.merge(mesh, issuer, {"spec": kept})
    mesh.cluster.wait(issuer, lambda each: each["status"]["revision"] > revision, seconds=90)
    mesh.deliver_issuer()
    mesh.until(BLIND, LINGERING)


@slow
def test_an_identity_that_missed_a_rotation(mesh: Watched) -> None:
    """The issuer is made anew, and the kubelet brings it to nobody."""
    if mesh.identity is None:
        pytest.skip(f"no identity service: {identity_process.missing()}")
    issuer = f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates/{IDENTITY_ISSUER}"
    revision = mesh.cluster.wait_for(issuer, "Ready")["status"]["revision"]
    troubles.merge(mesh, issuer, {"spec": {"duration": "72h"}})
    mesh.cluster.wait(issuer, lambda each: each["status"]["revision"] > revision)
    only_these_fire(mesh, {alert("LinkerdIssuerNotReloaded", namespace=LINKERD)})
    mesh.deliver_issuer()
    mesh.until(BLIND, LINGERING)


@slow
@pytest.mark.parametrize(
    ("failure_policy", "name", "labels"),
    [
        ("Ignore", "LinkerdInjectorFailOpen", {}),
        ("Fail", "LinkerdInjectorRejections", {"error_type": "calling_webhook_error"}),
    ],
)
def test_an_injector_that_does_not_answer(
    mesh: Watched, failure_policy: str, name: str, labels: dict[str, str]
) -> None:
    """The API server counts for itself what went past it, and what it refused for its sake."""
    (hook,) = (
        each
        for each in mesh_objects.webhooks("")
        if each["webhooks"][0]["name"] == INJECTOR_WEBHOOK
    )
    (one,) = hook["webhooks"]
    pod = troubles.workload("once", None)["spec"]["template"]
    pod = {**pod, "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}}
    mesh.objects.apply({**hook, "webhooks": [{**one, "failurePolicy": failure_policy}]})
    wanted = alert(name, namespace=LINKERD, name=INJECTOR_WEBHOOK, **labels)
    try:
        assert wanted not in mesh.firing()
        for _ in range(60):
            mesh.cluster.api.request("POST", f"{CORE}/{MESHED}/pods?dryRun=All", pod)
            if wanted in mesh.firing():
                break
            mesh.pause()
        assert wanted in mesh.firing()
    finally:
        mesh.objects.delete(hook)
