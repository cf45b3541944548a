"""Troubles for a watched sandbox, and what must be told of each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alerts.groups.control_plane import PROXY
from components.names import LINKERD
from sandbox import vault
from tests.e2e import identity_process, mesh_objects
from tests.e2e.mesh_objects import Manifest
from tests.e2e.project import PROJECT
from tests.e2e.watched import MESHED, RUNBOOKS, Fired, Watched, alert

_CRDS = ("cert-manager.yaml", "external-secrets.yaml", "trust-manager.yaml")
_CRDS += ("prometheus-operator.yaml",)
# Nothing runs in the pods of the mesh, and no webhook has been called yet.
_UNSEEN = ["linkerd-proxy", "kube-apiserver"]
_UNSEEN += ["linkerd-identity"] if identity_process.missing() else []
BLIND = {alert("LinkerdMetricsMissing", namespace=LINKERD, source=source) for source in _UNSEEN}
# These are about the last ten and fifteen minutes.
LINGERING = frozenset(
    {"ExternalSecretSyncErrors", "LinkerdInjectorFailOpen", "LinkerdInjectorRejections"}
)


def crds(names: Sequence[str] = _CRDS) -> list[Manifest]:
    """Upstream's CRDs of the operators and of prometheus-operator; skips without them."""
    folder = Path(os.environ.get("CRDS_DIR") or PROJECT.parent / "shared" / "crds")
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        pytest.skip(f"CRDS_DIR has no {', '.join(absent)} ({folder})")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    texts = [(folder / name).read_text(encoding="utf-8") for name in names]
    documents = [d for text in texts for d in yaml.load_all(text, Loader=loader)]
    return [d for d in documents if d and d["kind"] == "CustomResourceDefinition"]


def workload(name: str, image: str | None) -> Manifest:
    """A Deployment in the meshed namespace; `image` is that of its proxy, None without one."""
    labels = {"app": name}
    proxy = [{"name": "linkerd-proxy", "image": image, "restartPolicy": "Always"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": MESHED},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{"name": "app", "image": "example.invalid/app"}],
                    "initContainers": proxy if image else [],
                },
            },
        },
    }


def proxy_image() -> str:
    """The proxy of the control plane's own pods."""
    (name,) = re.findall(r'"(.+)"', PROXY)
    (image,) = {
        container["image"]
        for each in mesh_objects.rendered("linkerd-control-plane")
        if each["kind"] == "Deployment"
        for part in ("initContainers", "containers")
        for container in each["spec"]["template"]["spec"].get(part, [])
        if container["name"] == name
    }
    return str(image)


def merge(mesh: Watched, path: str, change: dict[str, Any]) -> None:
    """Change some fields of an object."""
    content = "application/merge-patch+json"
    answer = mesh.cluster.api.request("PATCH", path, change, content_type=content)
    assert answer.ok, answer


def maker(mesh: Watched, name: str) -> str:
    """The ReplicaSet of a Deployment's only pod."""
    (pod,) = mesh.pods(MESHED, f"app={name}")
    return str(pod["metadata"]["ownerReferences"][0]["name"])


def only_these_fire(mesh: Watched, fired: set[Fired], later: frozenset[str] = frozenset()) -> None:
    """These fire now, and nothing else does; each says what a receiver needs.

    `later` are names of alerts of the same trouble that come when more time has passed.
    """
    assert not fired & BLIND
    mesh.until(BLIND | fired, LINGERING | later)
    for each in fired:
        annotations = mesh.annotations(each)
        name = dict(each)["alertname"]
        assert annotations["summary"]
        assert annotations["runbook_url"].startswith(f"{RUNBOOKS}/")
        assert annotations["runbook_url"].endswith(f"#{name.lower()}")


def policy(mesh: Watched) -> str:
    """The one policy of the role with which the issuer logs in."""
    found = mesh.cluster.get("/apis/cert-manager.io/v1/clusterissuers")
    assert found
    (login,) = (
        each["spec"]["vault"]["auth"]["kubernetes"]
        for each in found["items"]
        if "vault" in each["spec"]
    )
    path = f"{login['mountPath']}/role/{login['role']}"
    role = vault.request(mesh.cluster.settings, "GET", path)
    assert isinstance(role, dict)
    (policy,) = role["data"]["token_policies"]
    return str(policy)
