"""The control plane's objects as the program deploys them, and any object put into a cluster."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bot.clients.https import Answer, Client
from bot.mesh.trust.reader import ANNOTATION, BUNDLE_KEY
from components.names import LINKERD, TRUST_ROOTS_CONFIG_MAP
from sandbox.node import api as api_objects
from tests.charts import helm
from tests.charts.program import PROJECT, evaluate, evaluate_file

Manifest = dict[str, Any]
_STACK = "sandbox"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_ROOTS = f"/api/v1/namespaces/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}"
_DIRECTIVES = {"pulumi.com/patchFieldManager", "pulumi.com/patchForce", "pulumi.com/waitFor"}
# Whatever else needs something of these comes after them.
_FIRST = ("CustomResourceDefinition", "Namespace", "ServiceAccount")


@cache
def rendered(release: str) -> tuple[Manifest, ...]:
    """The objects of one chart with the values that the program gives it.

    Skips the test where helm or the archive is missing.
    """
    use = evaluate(_STACK).charts[release]
    text = helm.text_of(use, helm.archive(use))
    return tuple(helm.objects(text).values())


def crds() -> list[Manifest]:
    """The CRDs of Linkerd and of the Gateway API."""
    return [*rendered("linkerd-crds"), *rendered("gateway-api-crds")]


def control_plane() -> list[Manifest]:
    """Everything of the control plane but its pods: nothing runs them, so none are asked for."""
    namespaces = [
        each
        for each in evaluate(_STACK).of_kind("Namespace")
        if each["metadata"]["name"] == LINKERD
    ]
    made = [*namespaces]
    for each in rendered("linkerd-control-plane"):
        if each["kind"] == "Deployment":
            made.append({**each, "spec": {**each["spec"], "replicas": 0}})
        elif each["kind"] not in ("CronJob", *_HOOKS):
            made.append(each)
    return made


# Webhooks are put in place when somebody is there to answer.
_HOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def webhooks(authority: str) -> list[Manifest]:
    """The chart's webhook configurations, with the CA (base64) that cert-manager would fill in."""
    made = []
    for each in rendered("linkerd-control-plane"):
        if each["kind"] in _HOOKS:
            hooks = [
                {**hook, "clientConfig": {**hook["clientConfig"], "caBundle": authority}}
                for hook in each["webhooks"]
            ]
            made.append({**each, "webhooks": hooks})
    return made


def arguments(deployment: str, container: str) -> list[str]:
    """The arguments that the chart gives to a container of the control plane."""
    for each in rendered("linkerd-control-plane"):
        if each["kind"] == "Deployment" and each["metadata"]["name"] == deployment:
            containers = each["spec"]["template"]["spec"]["containers"]
            (found,) = (one for one in containers if one["name"] == container)
            return list(found["args"])
    raise AssertionError(f"the chart has no Deployment {deployment}")


def planned(sections: dict[str, Any]) -> list[Manifest]:
    """What the program makes beyond the platform itself, with these sections of a stack file."""
    stack = yaml.safe_load((PROJECT / f"Pulumi.{_STACK}.yaml").read_text())
    for name, section in sections.items():
        stack["config"][f"linkerd-platform:{name}"] = section
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"Pulumi.{_STACK}.yaml"
        file.write_text(yaml.safe_dump(stack))
        made = evaluate_file(file).objects
    return [each for each in made if each not in evaluate(_STACK).objects]


class Objects:
    """Objects of any kind in one cluster, by its own list of what it serves."""

    def __init__(self, api: Client) -> None:
        self.api = api
        self._served = api_objects.Objects(api)

    def path(self, manifest: Manifest, name: str | None = None) -> str:
        """Where an object of this kind and namespace is, or the list that it would be in."""
        return f"{self._served.listed(manifest)}{f'/{name}' if name else ''}"

    def send(self, manifest: Manifest) -> Answer:
        """Server-side apply, and what the API server says to it."""
        path = self.path(manifest, manifest["metadata"]["name"])
        annotations = manifest["metadata"].get("annotations", {})
        manager = annotations.get("pulumi.com/patchFieldManager", "test")
        query = f"?fieldManager={manager}&force=true"
        if _DIRECTIVES & annotations.keys():
            # The provider's own, which it keeps to itself.
            kept = {key: annotations[key] for key in annotations.keys() - _DIRECTIVES}
            metadata = {**manifest["metadata"], "annotations": kept}
            manifest = {**manifest, "metadata": metadata}
        return self.api.request("PATCH", path + query, manifest, content_type=_APPLY, seconds=30)

    def apply(self, *manifests: Manifest) -> None:
        """Apply, and fail with the answer of the first that is refused."""
        for each in sorted(manifests, key=_order):
            answer = self.send(each)
            assert answer.ok, (each["kind"], each["metadata"]["name"], answer)

    def refusal(self, manifest: Manifest) -> str:
        """What the API server says against an object; fails when it takes it."""
        answer = self.send(manifest)
        assert not answer.ok, f"{manifest['kind']} was taken: {manifest}"
        return str(answer.body["message"])

    def create(self, manifest: Manifest) -> Manifest:
        """Create, as a controller does, and return what the API server made of it."""
        answer = self.api.request("POST", self.path(manifest), manifest, seconds=30)
        assert answer.ok, answer
        return dict(answer.body)

    def delete(self, *manifests: Manifest) -> None:
        """Delete each at once; one that is not there is no fault."""
        for each in manifests:
            path = self.path(each, each["metadata"]["name"])
            answer = self.api.request("DELETE", path, {"gracePeriodSeconds": 0})
            assert answer.ok or answer.status == 404, answer


def _order(manifest: Manifest) -> int:
    kind = manifest["kind"]
    return _FIRST.index(kind) if kind in _FIRST else len(_FIRST)


def meshed_workload(kind: str, name: str, replicas: int, version: str = "1") -> Manifest:
    """Meshed pods, with what the injector writes: none runs in a cluster of simulated pods."""
    labels = {"app": name, "linkerd.io/control-plane-ns": LINKERD}
    image = f"example.invalid/proxy:{version}"
    proxy = {"name": "linkerd-proxy", "image": image, "restartPolicy": "Always"}
    spec = {
        "initContainers": [proxy],
        "containers": [{"name": "app", "image": "example.invalid/app:1"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            **({"replicas": replicas} if replicas else {}),
            **({"serviceName": name} if kind == "StatefulSet" else {}),
        },
    }


@contextmanager
def annotated(api: Client, namespace: str) -> Iterator[None]:
    """Each new pod of a namespace gets the injector's hash of the bundle that is published then.

    As `injectObjectMeta` of linkerd2 does at admission: no injector runs here.
    """
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.2):
            bundle = api.request("GET", _ROOTS)
            pods = api.request("GET", f"/api/v1/namespaces/{namespace}/pods")
            if not (bundle.ok and pods.ok):
                continue
            sha = hashlib.sha256(bundle.body["data"][BUNDLE_KEY].encode()).hexdigest()
            change = {"metadata": {"annotations": {ANNOTATION: sha}}}
            for each in pods.body["items"]:
                at = each["metadata"]
                if ANNOTATION not in at.get("annotations", {}):
                    path = f"/api/v1/namespaces/{namespace}/pods/{at['name']}"
                    # One that has gone by now needs none.
                    api.request("PATCH", path, change, content_type=_MERGE)

    thread = threading.Thread(target=write, name="injector", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)
