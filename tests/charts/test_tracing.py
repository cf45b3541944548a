"""Tracing in the rendered charts: what proxies, controllers and the dashboard are told."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.plan import policy
from bot.plan.model import plans
from tests.charts import helm
from tests.charts.program import PROJECT, ChartUse, Evaluation, evaluate_file
from tests.charts.test_values import UNLISTED, unknown_keys
from tests.unit.stack_files import spoilt, write

CONTROL_PLANE, VIZ = "linkerd-control-plane", "linkerd-viz"
IDENTITY = "collector.linkerd-tracing.serviceaccount.identity.linkerd.cluster.local"
CONTROLLERS = {"linkerd-destination", "linkerd-identity", "linkerd-proxy-injector"}
# Removed when the interpreter ends.
_FOLDER = tempfile.TemporaryDirectory(prefix="linkerd-platform-charts-")


def stack_file(**tracing: Any) -> Path:
    """A stack with tracing on, and these keys."""
    changes = {("observability",): {"tracing": {"enabled": True, **tracing}}}
    return write(Path(_FOLDER.name), spoilt(changes))


@functools.cache
def evaluation(census: bool) -> Evaluation:
    """What the program hands to Helm, with spans of the controllers or without."""
    more = {"openCensus": "oc.tracing:55678"} if census else {}
    return evaluate_file(stack_file(labels={"team": "web"}, **more))


def rendered(chart: str, *, census: bool = False, **values: Any) -> dict[helm.Key, helm.Manifest]:
    """The objects of a chart, with some values changed."""
    use = evaluation(census).charts[chart]
    changed = ChartUse(use.release, use.namespace, use.path, {**use.values, **values})
    return helm.objects(helm.text_of(changed, helm.archive(use)))


def pods(chart: str, **changes: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and pod of each Deployment."""
    for (kind, _, name), manifest in rendered(chart, **changes).items():
        if kind == "Deployment":
            yield name, helm.pod_spec(manifest)


def proxy_env(pod: dict[str, Any]) -> dict[str, str]:
    """The environment of its proxy."""
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    (proxy,) = [each for each in containers if each["name"] == "linkerd-proxy"]
    return {each["name"]: each.get("value", "") for each in proxy["env"]}


def test_every_proxy_of_the_control_plane_sends_to_our_collector_by_its_identity() -> None:
    """Those of workloads are injected from the same values."""
    found = dict(pods(CONTROL_PLANE))
    assert set(found) == CONTROLLERS
    for pod in found.values():
        env = proxy_env(pod)
        prefix = "LINKERD2_PROXY_TRACE_"
        address = "collector.linkerd-tracing.svc.cluster.local.:4317"
        assert env[f"{prefix}COLLECTOR_SVC_ADDR"] == address
        assert env[f"{prefix}COLLECTOR_SVC_NAME"] == IDENTITY
        assert env[f"{prefix}PROTOCOL"] == "opentelemetry"
        assert env[f"{prefix}SERVICE_NAME"] == "linkerd-proxy"
        assert "linkerd-podinfo" in [volume["name"] for volume in pod["volumes"]]


def test_labels_come_on_top_of_the_charts_own() -> None:
    """In their place, no span would say of which pod it is."""
    for _, pod in pods(CONTROL_PLANE):
        lines = proxy_env(pod)["LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES"].splitlines()
        names = {line.partition("=")[0].strip() for line in lines} - {""}
        own = {"k8s.pod.ip", "k8s.pod.uid", "k8s.container.name"}
        assert names == {*own, "k8s.cluster.name", "team"}


def test_controllers_speak_opencensus_to_whom_they_are_told_and_else_to_nobody() -> None:
    """Our collector would refuse it, again and again."""
    for census in (True, False):
        found = {
            name: [arg for each in pod["containers"] for arg in each.get("args", [])]
            for name, pod in pods(CONTROL_PLANE, census=census)
        }
        told = {name for name, args in found.items() if "-trace-collector=oc.tracing:55678" in args}
        assert told == ({"linkerd-destination", "linkerd-identity"} if census else set())
        any_ = [arg for args in found.values() for arg in args if "trace-collector" in arg]
        assert len(any_) == (2 if census else 0)


def test_the_collectors_identity_is_below_the_clusters_domain() -> None:
    """linkerd2#15404: when this fails, the rule about trust.domain has no reason any more."""
    for _, pod in pods(CONTROL_PLANE, identityTrustDomain="mesh.example"):
        assert proxy_env(pod)["LINKERD2_PROXY_TRACE_COLLECTOR_SVC_NAME"] == IDENTITY


@pytest.mark.parametrize("chart", [CONTROL_PLANE, VIZ])
def test_every_key_of_tracing_exists_in_the_chart(chart: str) -> None:
    """Helm takes an unknown key without a word; the labels' names are ours."""
    use = evaluation(census=True).charts[chart]
    defaults = helm.default_values(helm.archive(use))
    unknown = {
        key
        for key in unknown_keys(use.values, defaults)
        if not key.startswith("proxy.tracing.labels.") and (chart, key) not in UNLISTED
    }
    assert not unknown


def test_the_dashboard_links_to_jaeger_by_the_account_that_may_read_it() -> None:
    """Another account, and the page would be refused."""
    (web,) = [pod for name, pod in pods(VIZ) if name == "web"]
    args = [arg for each in web["containers"] for arg in each.get("args", [])]
    assert "-jaeger-addr=jaeger.linkerd-tracing.svc.cluster.local:16686" in args
    rules = [
        rule["spec"]["requiredAuthenticationRefs"]
        for rule in evaluation(census=False).of_kind("AuthorizationPolicy")
        if rule["spec"]["targetRef"]["name"] == "jaeger-ui"
    ]
    account = {"kind": "ServiceAccount", "namespace": VIZ, "name": web["serviceAccountName"]}
    assert rules == [[account]]


def test_no_policy_is_broken_with_tracing_on() -> None:
    """The collector's objects, and those of the charts as tracing changes them."""
    helm.helm()
    (made,) = plans([stack_file()], PROJECT)
    absent = [chart.name for chart in made.charts if not chart.rendered and chart.name != VIZ]
    if {CONTROL_PLANE} & set(absent):
        pytest.skip("chart archives missing (make charts)")
    assert policy.lines(policy.of_plan(made)) == []
