"""Small questions to Kubernetes objects, and lists of names in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.clients.kubernetes import Manifest, alive
from bot.mesh.rollout.reader import PROXY, proxy
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, fail, ok
from components.names import LINKERD

_NAMED = 3
# linkerd2 pkg/k8s/labels.go: on everything that has a proxy, and on the control plane's objects.
CONTROL_PLANE_NS = "linkerd.io/control-plane-ns"
COMPONENT = "linkerd.io/control-plane-component"
EXTENSION = "linkerd.io/extension"


def some(names: Iterable[str]) -> str:
    """The first of them in alphabetical order, and how many more there are."""
    every = sorted(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


def bot_up(facts: Facts) -> str:
    """The command that makes again what the program declares."""
    return f"python -m bot up --stack {facts.target.stack}"


def there(
    facts: Facts, kind: str, wanted: tuple[str, ...], namespace: str | None = None
) -> CheckResult:
    """Whether objects of these names are there."""
    missing = set(wanted) - facts.names(kind, namespace)
    if missing:
        return fail(f"{kind}: not there: {some(missing)}", bot_up(facts))
    return ok(f"{len(wanted)} {kind}")


def labels(manifest: Manifest) -> dict[str, str]:
    """The labels of an object."""
    return manifest["metadata"].get("labels") or {}


def annotations_of(manifest: Manifest) -> dict[str, str]:
    """The annotations of an object."""
    return manifest["metadata"].get("annotations") or {}


def meshed_pods(facts: Facts, namespace: str | None = None) -> list[Manifest]:
    """The pods with a proxy that run or are about to: of one namespace, or of all but Linkerd's."""
    return [
        each
        for each in facts.objects("pods", namespace)
        if (namespace or each["metadata"]["namespace"] != LINKERD)
        and alive(each)
        and proxy(each["spec"]) is not None
    ]


def proxy_version(pod: Manifest) -> str:
    """The tag of a proxy's image; empty where it has none."""
    found = proxy(pod["spec"])
    return found.version if found else ""


def proxy_ready(pod: Manifest) -> bool:
    """True where the proxy's container is ready, native sidecar or not."""
    return any(each.get("ready") for each in _statuses(pod) if each["name"] == PROXY)


def not_ready(pod: Manifest) -> list[str]:
    """The containers that are not ready, but for those that have done their work."""
    return [each["name"] for each in _statuses(pod) if not each.get("ready") and not _done(each)]


def running(pod: Manifest) -> bool:
    """True for a pod in the phase `Running` that nobody deletes."""
    ended = pod["metadata"].get("deletionTimestamp")
    return not ended and (pod.get("status") or {}).get("phase") == "Running"


def tag(image: str) -> str:
    """The tag of an image without its digest; empty where it has none."""
    _, colon, found = image.partition("@")[0].rpartition("/")[2].partition(":")
    return found if colon else ""


def images(workload: Manifest) -> dict[str, str]:
    """The image of each container of a workload's pod template."""
    spec = workload["spec"]["template"]["spec"]
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return {each["name"]: str(each.get("image", "")) for each in every}


def available(deployment: Manifest) -> tuple[int, int, bool]:
    """Available and wanted replicas, and whether the controller has seen the present spec."""
    status = deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    current = status.get("observedGeneration") == deployment["metadata"].get("generation")
    return status.get("availableReplicas", 0), wanted, current


def _statuses(pod: Manifest) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    ]


def _done(status: dict[str, Any]) -> bool:
    ended = (status.get("state") or {}).get("terminated")
    return bool(ended and ended.get("exitCode") == 0)
