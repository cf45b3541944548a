"""Reads a cluster for the rollout commands: namespaces, pods, and events of the injector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from bot.clients.https import Client, Unreadable
from bot.clients.kubernetes import Manifest, alive, list_objects, moment, owners
from bot.mesh.rollout.model import Namespace, Pod, Proxy, RolloutState
from bot.mesh.trust.model import PodOwner
from bot.mesh.trust.reader import pod as owned_pod
from components.names import LINKERD
from components.rollout.component import FIELD_MANAGER, INJECT, STATE_LABEL

PROXY = "linkerd-proxy"
WEBHOOK = "linkerd-proxy-injector"
NAMESPACES = "/api/v1/namespaces"
_CRITICAL = ("system-cluster-critical", "system-node-critical")
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICY_VARIABLE = "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"


def read(api: Client, window: timedelta) -> RolloutState:
    """The cluster now; raises Unreadable. window: how far back failures of the injector count."""
    now = datetime.now(UTC)
    namespaces = [namespace(each) for each in list_objects(api, NAMESPACES)]
    above = owners(api)
    pods = tuple(pod(each, above) for each in list_objects(api, "/api/v1/pods") if alive(each))
    own = [each.proxy.version for each in pods if each.namespace == LINKERD and each.proxy]
    events = list_objects(api, "/api/v1/events")
    return RolloutState(
        now=now,
        namespaces={each.name: each for each in namespaces},
        pods=pods,
        failures=failures(events, now - window),
        refused=refused(events, now - window),
        version=max(own, default="", key=own.count),
        critical={**_of_priority(pods), **_deciding(api)},
    )


def _of_priority(pods: Iterable[Pod]) -> dict[str, str]:
    """Namespaces whose pods Kubernetes starts before all others, as networks and storage ask."""
    return {
        each.namespace: f"has pods of priority {each.priority}"
        for each in pods
        if each.priority in _CRITICAL
    }


def _deciding(api: Client) -> dict[str, str]:
    """Namespaces with a webhook without whose answer no pod is made.

    Its pods would wait for the injector, and the injector's for it. What is not readable tells
    nothing: who rolls out needs no right to read admission.
    """
    found: dict[str, str] = {}
    for kind in ("mutating", "validating"):
        try:
            listed = list_objects(api, f"{_ADMISSION}/{kind}webhookconfigurations")
        except Unreadable:
            continue
        for each in listed:
            for hook in each.get("webhooks") or ():
                service = (hook.get("clientConfig") or {}).get("service") or {}
                if service and hook.get("failurePolicy", "Fail") == "Fail" and _of_pods(hook):
                    found[service["namespace"]] = f"serves webhook {hook['name']} of all pods"
    return found


def _of_pods(hook: Manifest) -> bool:
    """Whether a webhook is asked for pods, and not for those that are chosen by a label alone."""
    for selector in (hook.get("objectSelector") or {}, hook.get("namespaceSelector") or {}):
        rows = selector.get("matchExpressions") or ()
        if selector.get("matchLabels") or any(r["operator"] in ("In", "Exists") for r in rows):
            return False
    return any(
        {"", "*"} & set(rule.get("apiGroups") or ())
        and {"pods", "*", "*/*", "pods/*"} & set(rule.get("resources") or ())
        and {"CREATE", "*"} & set(rule.get("operations") or ())
        for rule in hook.get("rules") or ()
    )


def namespace(manifest: Manifest) -> Namespace:
    """A namespace, with the time at which the field manager of the rollout last wrote to it."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    times = [
        moment(each["time"])
        for each in metadata.get("managedFields") or ()
        if each.get("manager") == FIELD_MANAGER and "time" in each
    ]
    return Namespace(
        name=metadata["name"],
        labels=labels,
        annotations=metadata.get("annotations") or {},
        state=labels.get(STATE_LABEL, ""),
        since=max(times, default=None),
        ending="deletionTimestamp" in metadata,
    )


def pod(manifest: Manifest, owners: Mapping[tuple[str, str, str], Manifest]) -> Pod:
    """A pod with its workload and its proxy."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    found = owned_pod(manifest, owners)
    status = manifest.get("status") or {}
    statuses = [
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    ]
    ended = [each.get("lastState", {}).get("terminated", {}).get("finishedAt") for each in statuses]
    annotations = metadata.get("annotations") or {}
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=PodOwner(found.owner.namespace, found.owner.kind, found.owner.name),
        proxy=proxy(spec),
        inject=annotations.get(INJECT, ""),
        host_network=bool(spec.get("hostNetwork")),
        restarts=sum(each.get("restartCount", 0) for each in statuses),
        recent=max((moment(each) for each in ended if each), default=None),
        account=spec.get("serviceAccountName") or "default",
        annotations=annotations,
        node=spec.get("nodeName") or "",
        priority=spec.get("priorityClassName") or "",
    )


def proxy(spec: Manifest) -> Proxy | None:
    """The proxy in a pod, as a container or as a native sidecar; None where there is none."""
    for key in ("containers", "initContainers"):
        for each in spec.get(key) or ():
            if each["name"] != PROXY:
                continue
            variables = {entry["name"]: entry.get("value", "") for entry in each.get("env") or ()}
            image = str(each.get("image", "")).partition("@")[0]
            _, colon, tag = image.rpartition("/")[2].partition(":")
            return Proxy(
                version=tag if colon else "",
                policy=variables.get(POLICY_VARIABLE, ""),
                native=key == "initContainers" and each.get("restartPolicy") == "Always",
            )
    return None


def failures(events: Iterable[Manifest], since: datetime) -> dict[str, int]:
    """Per namespace, how often a pod could not be made because the injector's webhook failed.

    The controllers write an event `FailedCreate` with what the API server said. An event that is
    seen again has a count.
    """
    found: dict[str, int] = {}
    for each in _not_made(events, since):
        if WEBHOOK in (each.get("message") or ""):
            series = each.get("series") or {}
            count = int(series.get("count") or each.get("count") or 1)
            place = each["metadata"]["namespace"]
            found[place] = found.get(place, 0) + count
    return found


def refused(events: Iterable[Manifest], since: datetime) -> dict[str, str]:
    """By controller, what the API server said to its pods lately, whoever of its admission did."""
    found: dict[str, str] = {}
    for each in _not_made(events, since):
        said = " ".join((each.get("message") or "").split())
        if WEBHOOK not in said:
            of = each.get("involvedObject") or {}
            kind, name = str(of.get("kind", "")).lower(), of.get("name", "")
            found[f"{each['metadata']['namespace']}/{kind}/{name}"] = said
    return found


def _not_made(events: Iterable[Manifest], since: datetime) -> Iterator[Manifest]:
    for each in events:
        series = each.get("series") or {}
        last = series.get("lastObservedTime") or each.get("lastTimestamp") or each.get("eventTime")
        if each.get("reason") == "FailedCreate" and last and moment(last) >= since:
            yield each
