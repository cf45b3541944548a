"""What all charts are told alike reaches every pod that they make."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from stack.charts.values import unknown
from tests.charts import helm
from tests.charts.program import Evaluation, evaluate, evaluate_file
from tests.unit.whole_program import project

POOL = {"pool": "mesh"}
TAINT = {"key": "mesh", "operator": "Exists", "effect": "NoSchedule"}
MIRROR = "mirror.example.com/all"
CHARTS = (
    *("cert-manager", "trust-manager", "external-secrets"),
    *("linkerd-control-plane", "linkerd-viz", "linkerd2-cni"),
)
_UPSTREAM = re.compile(
    r"(?<![\w./-])(?:(?:quay|ghcr|gcr|docker)\.io|cr\.l5d\.io|registry\.k8s\.io|prom)/[\w./-]+"
)
# No value of these charts gives a priority class to what they run.
WITHOUT_PRIORITY = ("linkerd-viz", "linkerd2-cni")
# It runs on every node, whatever taints that has.
ON_EVERY_NODE = "linkerd2-cni"


@functools.cache
def stack() -> Evaluation:
    """The staging stack with every setting, and the CNI plugin."""
    document = yaml.safe_load((project() / "Pulumi.staging.yaml").read_text(encoding="utf-8"))
    prefix = "linkerd-platform:"
    document["config"] |= {
        f"{prefix}placement": {
            "nodeSelector": POOL,
            "tolerations": [TAINT],
            "priorityClass": "system-cluster-critical",
            "pullSecrets": ["login"],
        },
        f"{prefix}images": {"registry": MIRROR},
        f"{prefix}cniPlugin": {"enabled": True},
        f"{prefix}charts": {
            "linkerd-control-plane": {
                "values": {"destinationResources": {"memory": {"limit": "500Mi"}}}
            }
        },
    }
    file = project() / "Pulumi.placed.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return evaluate_file(file)


def pods(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The pod specs of an object."""
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if manifest["kind"] in ("Deployment", "DaemonSet", "StatefulSet", "Job", "CronJob"):
        yield spec["template"]["spec"]


def rendered(chart: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and pod spec of all that a chart runs."""
    found = [(each["metadata"]["name"], pod) for each in objects_of(chart) for pod in pods(each)]
    assert found
    return found


def objects_of(chart: str) -> list[dict[str, Any]]:
    """The objects of a chart, as the engine renders it."""
    use = stack().charts[chart]
    return list(helm.objects(helm.text_of(use, helm.archive(use))).values())


@pytest.mark.parametrize("chart", CHARTS)
def test_public_reports_30_every_pod_runs_where_the_stack_says(chart: str) -> None:
    """Azure/AKS#3882: with a taint on every pool nothing can be installed."""
    for name, pod in rendered(chart):
        if chart != ON_EVERY_NODE:
            assert POOL.items() <= pod["nodeSelector"].items(), name
            # External Secrets' chart selects no system itself.
            system = pod["nodeSelector"].get("kubernetes.io/os", "none")
            assert system == ("none" if chart == "external-secrets" else "linux"), name
            assert TAINT in pod["tolerations"], name
        if chart not in WITHOUT_PRIORITY:
            assert pod["priorityClassName"] == "system-cluster-critical", name


@pytest.mark.parametrize("chart", CHARTS)
def test_public_reports_26_every_image_comes_from_the_mirror(chart: str) -> None:
    """linkerd2#5863: in an air gap one image that is left out keeps all from starting."""
    for name, pod in rendered(chart):
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert container["image"].startswith(f"{MIRROR}/"), (name, container["image"])
            for text in container.get("args", ()):
                assert "quay.io" not in text, (name, text)


@pytest.mark.parametrize("chart", CHARTS)
def test_public_reports_26_no_text_of_a_chart_names_an_image_of_upstream(chart: str) -> None:
    """The injector reads the proxy's image in a ConfigMap, cert-manager its solver's in an option.

    Also the debug container and what a pod is given later; a CRD's text only describes.
    """
    for each in objects_of(chart):
        if each["kind"] == "CustomResourceDefinition":
            continue
        for text in helm.strings(each):
            found = _UPSTREAM.findall(text)
            assert not found, (each["kind"], each["metadata"]["name"], found)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_pod_or_its_account_has_the_login_of_the_registry(chart: str) -> None:
    """A mirror that wants a login gives nothing to who has none."""
    objects = objects_of(chart)
    accounts = {
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "ServiceAccount"
        and {"name": "login"} in each.get("imagePullSecrets", [])
    }
    for name, pod in rendered(chart):
        own = {"name": "login"} in pod.get("imagePullSecrets", [])
        assert own or pod.get("serviceAccountName") in accounts, name


def test_a_value_of_the_overlay_reaches_the_chart_and_nothing_else_changes() -> None:
    """linkerd2#8270: destination needs more than 250Mi in a large cluster."""
    values = stack().charts["linkerd-control-plane"].values
    before = evaluate("staging").charts["linkerd-control-plane"].values
    assert values["destinationResources"]["memory"] == {"limit": "500Mi", "request": "50Mi"}
    assert values["identityResources"] == before["identityResources"]


def test_without_a_setting_the_values_are_those_of_before() -> None:
    """An existing deployment sees no change."""
    assert "nodeSelector" not in evaluate("staging").charts["linkerd-control-plane"].values


# What Panfactum/stack packages/infrastructure/kube_linkerd/main.tf sets: each by a key, or by the
# overlay. Its own values, but for the injector's selector, which `rollout.never` decides.
REAL: dict[str, Any] = {
    "placement": {"priorityClass": "system-cluster-critical", "tolerations": [TAINT]},
    "images": {"registries": {"cr.l5d.io": "ghcr.io"}},
    "linkerd": {"replicas": 3, "logLevel": "warn"},
    "charts": {
        "linkerd-control-plane": {
            "values": {
                "controllerLogFormat": "json",
                "enablePodAntiAffinity": True,
                "enablePodDisruptionBudget": False,
                "identityResources": {"memory": {"limit": "500Mi"}},
                "destinationResources": {"memory": {"request": "200Mi", "limit": "400Mi"}},
                "spValidatorResources": {"memory": {"request": "200Mi", "limit": "400Mi"}},
                "proxyInjectorResources": {"memory": {"request": "200Mi", "limit": "400Mi"}},
                "policyController": {
                    "logLevel": "warn",
                    "resources": {"memory": {"request": "200Mi", "limit": "500Mi"}},
                },
                "proxy": {
                    "logFormat": "json",
                    "logLevel": "warn,linkerd=warn,linkerd2_proxy=warn",
                    "resources": {"memory": {"request": "10Mi", "limit": "200Mi"}},
                },
                "podLabels": {"panfactum.com/workload": "linkerd"},
                "prometheusUrl": "http://thanos-query-frontend.monitoring:9090",
                "proxyInit": {"logFormat": "json", "logLevel": "warn"},
                "podMonitor": {
                    "enabled": True,
                    "scrapeInterval": "60s",
                    "proxy": {"enabled": True},
                    "controller": {"enabled": True},
                },
            }
        }
    },
}
# What the same file says and what the program gives, or a key: no overlay is needed.
GIVEN: dict[str, Any] = {
    "controllerImage": "ghcr.io/linkerd/controller",
    "controllerReplicas": 3,
    "controllerLogLevel": "warn",
    "cniEnabled": False,
    "identity.externalCA": True,
    "identity.issuer.scheme": "kubernetes.io/tls",
    "proxy.image.name": "ghcr.io/linkerd/proxy",
    "proxy.nativeSidecar": True,
    "debugContainer.image.name": "ghcr.io/linkerd/debug",
    "priorityClassName": "system-cluster-critical",
    "tolerations": [TAINT],
    **{
        f"{each}.{key}": value
        for each, secret in (
            ("policyValidator", "linkerd-policy-validator-k8s-tls"),
            ("profileValidator", "linkerd-sp-validator-k8s-tls"),
            ("proxyInjector", "linkerd-proxy-injector-k8s-tls"),
        )
        for key, value in (("externalSecret", True), ("injectCaFrom", f"linkerd/{secret}"))
    },
}


def test_public_reports_30_a_real_installation_can_be_said_whole() -> None:
    """18 of its 32 settings had no key; a wrong one is told before anything is registered."""
    document = yaml.safe_load((project() / "Pulumi.staging.yaml").read_text(encoding="utf-8"))
    document["config"] |= {f"linkerd-platform:{key}": value for key, value in REAL.items()}
    file = project() / "Pulumi.real.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    made = evaluate_file(file).charts["linkerd-control-plane"]
    overlaid = REAL["charts"]["linkerd-control-plane"]["values"]
    for path, value in _leaves(overlaid):
        assert _at(made.values, path) == value, path
    # What the program gives stays where the overlay says nothing.
    whole = dict(_leaves(helm.default_values(helm.archive(made)))) | dict(_leaves(made.values))
    for key, value in GIVEN.items():
        assert whole[tuple(key.split("."))] == value, key
    assert list(unknown(helm.archive(made).read_bytes(), overlaid)) == []
    objects = helm.objects(helm.text_of(made, helm.archive(made)))
    destination = objects["Deployment", "linkerd", "linkerd-destination"]
    container = destination["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "400Mi"
    assert not [kind for kind, *_ in objects if kind == "PodDisruptionBudget"]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
