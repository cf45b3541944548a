"""What all charts are told alike reaches every pod that they make."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.chart import merged
from stack.charts.values import unknown
from tests.charts import helm
from tests.charts.program import Evaluation, evaluate, evaluate_file
from tests.unit.stack_files import lines_of_file
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
            assert pod["nodeSelector"]["kubernetes.io/os"] == "linux", name
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


# What Panfactum/stack packages/infrastructure/kube_linkerd/main.tf sets, with its own values where
# they are not made of variables, and how each is said: by a key, laid over by `charts`, not at all
# because the program gives it, or refused with what to set instead.
_VALIDATORS = {
    "policyValidator": "linkerd-policy-validator-k8s-tls",
    "profileValidator": "linkerd-sp-validator-k8s-tls",
    "proxyInjector": "linkerd-proxy-injector-k8s-tls",
}
_ROOMY = {"memory.request": "200Mi", "memory.limit": "400Mi"}
_KEYS: dict[str, Any] = {
    "placement": {"priorityClass": "system-cluster-critical", "tolerations": [TAINT]},
    "images": {"registries": {"cr.l5d.io": "ghcr.io"}},
    "linkerd": {"ha": False, "replicas": 2, "logLevel": "warn"},
}
SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("linkerd.logLevel", {"controllerLogLevel": "warn"}),
    ("charts", {"controllerLogFormat": "json"}),
    ("images.registries", {"controllerImage": "ghcr.io/linkerd/controller"}),
    ("linkerd.replicas", {"controllerReplicas": 2}),
    ("charts", {"enablePodAntiAffinity": True}),
    ("charts", {"enablePodDisruptionBudget": False}),
    ("cniPlugin.enabled", {"cniEnabled": False}),
    ("program", {"identity.externalCA": True, "identity.issuer.scheme": "kubernetes.io/tls"}),
    ("charts", {"identityResources.memory.limit": "500Mi"}),
    ("images.registries", {"proxy.image.name": "ghcr.io/linkerd/proxy"}),
    ("linkerd.nativeSidecar", {"proxy.nativeSidecar": True}),
    ("charts", {"proxy.logFormat": "json"}),
    ("charts", {"proxy.logLevel": "warn,linkerd=warn,linkerd2_proxy=warn"}),
    (
        "charts",
        {"proxy.resources.memory.request": "10Mi", "proxy.resources.memory.limit": "200Mi"},
    ),
    (
        "refused: images.registries",
        {"policyController.image.name": "ghcr.io/linkerd/policy-controller"},
    ),
    ("charts", {"policyController.logLevel": "warn"}),
    (
        "charts",
        {
            "policyController.resources.memory.request": "200Mi",
            "policyController.resources.memory.limit": "500Mi",
        },
    ),
    ("charts", {"podLabels": {"panfactum.com/workload": "linkerd"}}),
    ("placement.priorityClass", {"priorityClassName": "system-cluster-critical"}),
    ("placement.tolerations", {"tolerations": [TAINT]}),
    (
        "program",
        {
            **{f"{each}.externalSecret": True for each in _VALIDATORS},
            **{f"{each}.injectCaFrom": f"linkerd/{name}" for each, name in _VALIDATORS.items()},
        },
    ),
    ("charts", {f"spValidatorResources.{key}": value for key, value in _ROOMY.items()}),
    ("charts", {f"destinationResources.{key}": value for key, value in _ROOMY.items()}),
    ("charts", {f"proxyInjectorResources.{key}": value for key, value in _ROOMY.items()}),
    ("refused: rollout.never", {"proxyInjector.namespaceSelector": {"matchExpressions": []}}),
    ("images.registries", {"debugContainer.image.name": "ghcr.io/linkerd/debug"}),
    ("refused: images.registries", {"proxyInit.image.name": "ghcr.io/linkerd/proxy-init"}),
    ("charts", {"proxyInit.logFormat": "json"}),
    ("charts", {"proxyInit.logLevel": "warn"}),
    (
        "refused: charts.linkerd-control-plane.values.proxy.resources",
        {
            "proxyInit.resources.cpu.request": "10m",
            "proxyInit.resources.memory.request": "10Mi",
            "proxyInit.resources.memory.limit": "10Mi",
        },
    ),
    ("charts", {"prometheusUrl": "http://thanos-query-frontend.monitoring:9090"}),
    (
        "charts",
        {
            "podMonitor.enabled": True,
            "podMonitor.scrapeInterval": "60s",
            "podMonitor.proxy.enabled": True,
            "podMonitor.controller.enabled": True,
        },
    ),
)


def real_file(overlaid: Mapping[str, Any]) -> Path:
    """The stack file of that installation, with these values laid over the chart's."""
    document = yaml.safe_load((project() / "Pulumi.staging.yaml").read_text(encoding="utf-8"))
    sections = {**_KEYS, "charts": {"linkerd-control-plane": {"values": overlaid}}}
    document["config"] |= {f"linkerd-platform:{key}": value for key, value in sections.items()}
    # What the warning of a small cluster is about is their decision.
    document["config"]["linkerd-platform:environment"] = "development"
    file = project() / "Pulumi.real.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a chart has them."""
    made: dict[str, Any] = {}
    for path, value in dotted.items():
        *above, last = path.split(".")
        place = made
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return made


def test_public_reports_30_a_real_installation_can_be_said_whole() -> None:
    """18 of its 32 settings had no key; a wrong one is told before anything is registered."""
    assert len(SETTINGS) == 32
    dotted = {key: each for how, said in SETTINGS if how == "charts" for key, each in said.items()}
    made = evaluate_file(real_file(nested(dotted))).charts["linkerd-control-plane"]
    whole = merged(helm.default_values(helm.archive(made)), made.values)
    for how, said in SETTINGS:
        for path, value in said.items() if not how.startswith("refused") else ():
            assert _at(whole, path) == value, path
    assert list(unknown(helm.archive(made).read_bytes(), nested(dotted))) == []
    objects = helm.objects(helm.text_of(made, helm.archive(made)))
    destination = objects["Deployment", "linkerd", "linkerd-destination"]
    spec = destination["spec"]["template"]["spec"]
    container = next(each for each in spec["containers"] if each["name"] == "destination")
    assert container["resources"]["limits"]["memory"] == "400Mi"
    # What takes the place of `proxyInit.resources`: the init container has the proxy's.
    init = next(each for each in spec["initContainers"] if each["name"] == "linkerd-init")
    assert init["resources"]["limits"]["memory"] == "200Mi"
    assert not [kind for kind, *_ in objects if kind == "PodDisruptionBudget"]


@pytest.mark.parametrize(
    ("how", "said"), [each for each in SETTINGS if each[0].startswith("refused: ")]
)
def test_public_reports_30_a_value_that_something_else_decides_is_refused(
    how: str, said: dict[str, Any]
) -> None:
    """The chart has no such value any more, or a key decides it: nobody would see it ignored."""
    found = lines_of_file(real_file(nested(said)))
    assert len(found) == len(said)
    for line in found:
        assert f"is decided by {how.removeprefix('refused: ')}: set it there" in line


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[key]
    return value
