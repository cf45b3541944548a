"""PodMonitors: what each keeps, and the labels that the rules read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components.alerts.groups.slo import KINDS
from components.monitors.component import Monitors, MonitorsArgs, manifests
from components.tracing.component import collector, jaeger
from components.tracing.objects import selector
from tests.unit.metric_lists import lists
from tests.unit.samples import arguments, made
from tests.unit.tracing_samples import JAEGER, tracing_args


def monitors(**changes: object) -> dict[str, dict[str, Any]]:
    args = arguments()[Monitors].model_copy(update=changes)
    assert isinstance(args, MonitorsArgs)
    return {manifest["metadata"]["name"]: manifest for manifest in manifests(args)}


def endpoint(name: str) -> dict[str, Any]:
    (found,) = monitors()[name]["spec"]["podMetricsEndpoints"]
    return dict(found)


def relabelled(name: str, labels: dict[str, str]) -> dict[str, str] | None:
    """What the relabelings make of a target; None where they drop it."""
    made_ = dict(labels)
    for step in endpoint(name)["relabelings"]:
        action, regex = step["action"], re.compile(step.get("regex", "(.*)"))
        value = ";".join(made_.get(source, "") for source in step.get("sourceLabels", []))
        match action:
            case "keep" | "drop":
                if bool(regex.fullmatch(value)) != (action == "keep"):
                    return None
            case "replace":
                if found := regex.fullmatch(value):
                    made_[step["targetLabel"]] = step.get("replacement") or found[1]
            case "labelmap":
                copied = {regex.fullmatch(k): v for k, v in made_.items()}
                made_ |= {found[1]: v for found, v in copied.items() if found}
            case "labeldrop":
                made_ = {k: v for k, v in made_.items() if not regex.fullmatch(k)}
            case _:
                raise AssertionError(action)
    return {k: v for k, v in made_.items() if not k.startswith("__") and v}


META = "__meta_kubernetes_"
PROXY = {
    f"{META}namespace": "shop",
    f"{META}pod_name": "web-1",
    f"{META}pod_container_name": "linkerd-proxy",
    f"{META}pod_container_port_name": "linkerd-admin",
    f"{META}pod_label_linkerd_io_control_plane_ns": "linkerd",
    f"{META}pod_label_linkerd_io_proxy_deployment": "web",
    f"{META}pod_label_direction": "north",
}


def test_a_proxy_has_its_workload_and_no_label_of_the_users() -> None:
    """A pod label `direction` would take the place of the proxy's own."""
    assert relabelled("linkerd-proxy", PROXY) == {
        "namespace": "shop",
        "pod": "web-1",
        "deployment": "web",
        "control_plane_ns": "linkerd",
        "job": "linkerd-proxy",
    }


def test_the_workload_of_a_job_does_not_become_the_scrape_job() -> None:
    """`job` is Prometheus' own; viz asks for `k8s_job`."""
    labels = {**PROXY, f"{META}pod_label_linkerd_io_proxy_job": "backup"}
    made_ = relabelled("linkerd-proxy", labels)
    assert made_ is not None
    assert (made_["job"], made_["k8s_job"]) == ("linkerd-proxy", "backup")


@pytest.mark.parametrize(
    "change",
    [
        {"pod_container_port_name": "linkerd-proxy"},
        {"pod_container_name": "web"},
        {"pod_label_linkerd_io_control_plane_ns": "other"},
    ],
)
def test_nothing_but_a_proxy_of_this_mesh_is_scraped_as_one(change: dict[str, str]) -> None:
    """Each container port of each pod of the cluster is a candidate."""
    labels = {**PROXY, **{f"{META}{key}": value for key, value in change.items()}}
    assert relabelled("linkerd-proxy", labels) is None


@pytest.mark.parametrize(
    ("port", "kept"),
    [("ident-admin", True), ("admin", True), ("linkerd-admin", False), ("ident-grpc", False)],
)
def test_admin_ports_of_the_control_plane_are_scraped(port: str, kept: bool) -> None:
    """The charts give each container a name of its own for it; that of viz is `admin`."""
    labels = {f"{META}pod_container_port_name": port, f"{META}pod_container_name": "identity"}
    made_ = relabelled("linkerd-controller", labels)
    assert made_ == ({"component": "identity", "job": "linkerd-controller"} if kept else None)


def test_labels_that_the_rules_need_are_in_the_list_of_what_a_scrape_adds() -> None:
    """Else the list allows what no scrape gives."""
    target = lists()["linkerd-proxy"]["target"]
    assert isinstance(target, list)
    assert {*KINDS, "namespace", "pod"} <= set(target)


@pytest.mark.parametrize("name", ["cert-manager", "trust-manager", "external-secrets"])
def test_an_operators_series_keep_their_own_namespace(name: str) -> None:
    """Without it each would be in the operator's namespace, and no rule would find it."""
    assert endpoint(name)["honorLabels"] is True
    assert "honorLabels" not in endpoint("linkerd-proxy")


def test_viz_is_scraped_where_it_is() -> None:
    """A namespace that is not there is listed for nothing."""
    where = {
        viz: monitors(viz=viz)["linkerd-controller"]["spec"]["namespaceSelector"]["matchNames"]
        for viz in (True, False)
    }
    assert where == {True: ["linkerd", "linkerd-viz"], False: ["linkerd"]}


def test_labels_and_interval_are_on_each() -> None:
    """One without them is one that Prometheus does not select."""
    for manifest in monitors(interval="1m0s").values():
        assert manifest["metadata"]["labels"] == {"release": "prometheus"}
        assert manifest["spec"]["podMetricsEndpoints"][0]["interval"] == "1m0s"
    assert "labels" not in monitors(labels={})["linkerd-proxy"]["metadata"]


def test_the_component_makes_one_object_each() -> None:
    """Six parts are scraped."""
    assert len(made(Monitors).of_kind(":PodMonitor")) == 6


def test_the_collector_is_scraped_where_it_is_ours() -> None:
    """What it refuses or cannot send is known from nowhere else."""
    assert "trace-collector" not in monitors()
    assert len(made(Monitors, tracing=True).of_kind(":PodMonitor")) == 7
    spec = monitors(tracing=True)["trace-collector"]["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["linkerd-tracing"]}
    ports = {port.name for port in collector(tracing_args()).ports}
    (found,) = spec["podMetricsEndpoints"]
    assert found["port"] in ports
    (term,) = spec["selector"]["matchExpressions"]
    for workload in (collector(tracing_args()), jaeger(JAEGER)):
        assert selector(workload.name) == {term["key"]: workload.name}
        assert workload.name in term["values"]


@pytest.mark.parametrize(
    ("key", "name", "namespace", "gateway"),
    [
        ("ingress", "ingress-gateway", "linkerd-ingress", "ingress"),
        ("egress_gateway", "egress-gateway", "linkerd-egress-gateway", "egress-gateway"),
    ],
)
def test_a_gateway_is_scraped_where_it_is(
    key: str, name: str, namespace: str, gateway: str
) -> None:
    """Its alerts read nothing else; and the pods of one are not those of the other."""
    assert name not in monitors()
    found = monitors(**{key: True})
    assert len(found) == len(monitors()) + 1
    spec = found[name]["spec"]
    assert spec["namespaceSelector"] == {"matchNames": [namespace]}
    labels = {"gateway.envoyproxy.io/owning-gateway-name": gateway}
    assert spec["selector"] == {"matchLabels": labels}
    (each,) = spec["podMetricsEndpoints"]
    assert (each["port"], each["path"]) == ("metrics", "/stats/prometheus")
