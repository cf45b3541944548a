"""Linkerd's own injector gives proxies as the rollout plan says; nothing here imitates it."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from components.names import LINKERD
from tests.e2e.mesh_objects import Manifest, planned
from tests.e2e.mesh_processes import Controllers

pytestmark = pytest.mark.e2e
INJECT = "linkerd.io/inject"
_numbers = count()


def namespace(name: str, **labels: str) -> Manifest:
    """A namespace that another tool owns."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(inside: str, inject: str | None = None, **labels: str) -> Manifest:
    """A pod of a workload, with or without the one flag of its own."""
    container = {"name": "app", "image": "example.invalid/app", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"app-{next(_numbers)}",
            "namespace": inside,
            "labels": labels,
            "annotations": {INJECT: inject} if inject else {},
        },
        "spec": {"containers": [container]},
    }


def proxy(made: Manifest) -> Manifest | None:
    """The proxy container that a pod was given."""
    spec = made["spec"]
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    found = [each for each in containers if each["name"] == "linkerd-proxy"]
    return found[0] if found else None


def environment(container: Manifest) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in container["env"]}


def rollout(*names: str, state: str, **rest: Any) -> dict[str, Any]:
    """A plan of one wave."""
    return {"rollout": {"waves": [{"name": "w", "state": state, "namespaces": list(names)}]}} | rest


# What the plan promises per state of the wave, and flag of the workload.
_PROMISES = {
    ("off", None): False,
    ("opt-in", None): False,
    ("opt-in", "enabled"): True,
    ("opt-in", "disabled"): False,
    ("on", None): True,
    ("on", "disabled"): False,
    ("on", "enabled"): True,
}


@pytest.mark.parametrize("state", ["off", "opt-in", "on"])
def test_a_pod_gets_a_proxy_exactly_where_the_plan_says_so(
    linkerd: Controllers, state: str
) -> None:
    """The plan is only worth something if the injector reads it in the same way."""
    name = f"state-{state}"
    linkerd.objects.apply(namespace(name), *planned(rollout(name, state=state)))
    for (of, flag), promised in _PROMISES.items():
        if of == state:
            made = linkerd.objects.create(pod(name, flag))
            assert (proxy(made) is not None) == promised, flag


def test_a_namespace_that_opted_out_stays_out_of_a_wave_that_is_on(linkerd: Controllers) -> None:
    wave = {"name": "w", "state": "on", "namespaces": [{"name": "left-out", "optOut": True}, "in"]}
    objects = planned({"rollout": {"waves": [wave]}})
    linkerd.objects.apply(namespace("left-out"), namespace("in"), *objects)
    assert proxy(linkerd.objects.create(pod("left-out"))) is None
    assert proxy(linkerd.objects.create(pod("in"))) is not None


def test_going_back_takes_our_keys_off_and_nothing_else(linkerd: Controllers) -> None:
    """What a destroy does: the namespace is somebody else's, with its labels and its pods."""
    (patch,) = planned(rollout("back", state="on"))
    linkerd.objects.apply(namespace("back", team="web"), patch)
    inside = linkerd.objects.create(pod("back"))
    assert proxy(inside) is not None
    metadata = patch["metadata"]
    manager = {
        key: value for key, value in metadata["annotations"].items() if key.startswith("pulumi.com")
    }
    linkerd.objects.apply({**patch, "metadata": {"name": "back", "annotations": manager}})
    left = linkerd.cluster.get("/api/v1/namespaces/back")
    assert left
    assert left["metadata"]["labels"]["team"] == "web"
    ours = {*metadata["annotations"], *metadata["labels"]}
    assert not ours & {*left["metadata"].get("annotations", {}), *left["metadata"]["labels"]}
    assert proxy(linkerd.objects.create(pod("back"))) is None
    # A pod keeps its proxy until it restarts.
    running = linkerd.cluster.get(f"/api/v1/namespaces/back/pods/{inside['metadata']['name']}")
    assert running
    assert proxy(running) is not None


@pytest.mark.parametrize("name", ["kube-system", LINKERD])
def test_what_must_never_be_meshed_is_not_by_its_own_flag_either(
    linkerd: Controllers, name: str
) -> None:
    """The plan refuses these; so does the chart's webhook, should somebody annotate by hand."""
    assert proxy(linkerd.objects.create(pod(name, "enabled"))) is None


def test_workload_defaults_are_what_the_proxy_is_started_with(linkerd: Controllers) -> None:
    """An annotation that the injector does not know is silently nothing."""
    defaults = {
        "accessLog": "json",
        "opaquePorts": ["9999"],
        "skipInboundPorts": ["7000"],
        "skipOutboundPorts": ["7100-7101"],
        "proxyAwait": False,
        "proxyResources": {"cpuRequest": "150m", "memoryLimit": "300Mi"},
    }
    objects = planned(rollout("tuned", state="on", workloads={"namespaces": {"tuned": defaults}}))
    linkerd.objects.apply(namespace("tuned"), *objects)
    made = linkerd.objects.create(pod("tuned"))
    container = proxy(made)
    assert container
    given = environment(container)
    assert given["LINKERD2_PROXY_ACCESS_LOG"] == "json"
    opaque = given["LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION"].split(",")
    assert {"9999", "3306", "25"} <= set(opaque)
    resources = container["resources"]
    assert resources["requests"]["cpu"] == "150m"
    assert resources["limits"]["memory"] == "300Mi"
    assert "await" not in str(container.get("startupProbe", container.get("lifecycle", "")))
    (init,) = (each for each in made["spec"]["initContainers"] if each["name"] == "linkerd-init")
    arguments = dict(zip(init["args"], init["args"][1:], strict=False))
    assert "7000" in arguments["--inbound-ports-to-ignore"].split(",")
    assert "7100-7101" in arguments["--outbound-ports-to-ignore"].split(",")


def test_a_proxy_is_a_native_sidecar_as_the_stack_file_has_it(linkerd: Controllers) -> None:
    """Else a Job with a proxy never ends."""
    linkerd.objects.apply(namespace("sidecar"), *planned(rollout("sidecar", state="on")))
    made = linkerd.objects.create(pod("sidecar"))
    (native,) = (each for each in made["spec"]["initContainers"] if each["name"] == "linkerd-proxy")
    assert native["restartPolicy"] == "Always"
