"""What a Pod object says, as a process needs it: environment, command, mounts, probes. Pure."""

from __future__ import annotations

import base64
import json
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

Manifest = Mapping[str, Any]
# Where upstream's images have their programs; proxy-identity starts the proxy by this path.
PROGRAMS_DIR = "/usr/lib/linkerd"
# What an image starts that is told no command: by the last part of its name.
IMAGES: Mapping[str, Sequence[str]] = {
    "proxy": ("linkerd2-proxy-identity",),
    "controller": ("linkerd-controller",),
    "shop": (sys.executable, str(Path(__file__).with_name("shop.py"))),
}
INIT, PROXY = "linkerd-init", "linkerd-proxy"


class UnsupportedError(ValueError):
    """A pod asks for something that a process pod has not; the text names it."""


@dataclass(frozen=True)
class HostPlace:
    """Where a pod runs: its address, and the API server's as pods know it."""

    address: str
    api_host: str
    api_port: int = 443


@dataclass(frozen=True)
class Probe:
    """A question to a port. path: of an HTTP request; None when a connection is enough."""

    port: int
    path: str | None
    delay: float = 0.0


@dataclass(frozen=True)
class Mount:
    """A volume of the pod, and where a container has it."""

    volume: str
    path: str
    sub_path: str = ""


def name_of(pod: Manifest) -> tuple[str, str]:
    """Namespace and name."""
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def injected(pod: Manifest) -> bool:
    """Tell whether the pod has a proxy."""
    return any(each["name"] == PROXY for each in containers(pod))


def containers(pod: Manifest) -> list[Manifest]:
    """All of a pod's containers, those that start first at first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def sidecar(container: Manifest) -> bool:
    """Tell whether an init container goes on running, as a native sidecar does."""
    return container.get("restartPolicy") == "Always"


def field(pod: Manifest, path: str, place: HostPlace) -> str:
    """What a fieldRef names; raises UnsupportedError."""
    metadata, spec = pod["metadata"], pod["spec"]
    known = {
        "status.podIP": place.address,
        "status.podIPs": place.address,
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
    }
    if path in known:
        return str(known[path])
    for kind in ("labels", "annotations"):
        values = metadata.get(kind, {})
        if path == f"metadata.{kind}":
            return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{kind}['"):
            return str(values.get(path.split("'")[1], ""))
    raise UnsupportedError(f"fieldRef {path}")


def environment(
    pod: Manifest,
    container: Manifest,
    place: HostPlace,
    data: Callable[[str, str], Mapping[str, str]],
) -> dict[str, str]:
    """The variables of a container, `$(NAME)` filled in; raises UnsupportedError.

    data: of one of the `configmaps` or `secrets` of the pod's namespace, by its name.
    """
    found = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": place.api_host,
        "KUBERNETES_SERVICE_PORT": str(place.api_port),
    }
    for each in container.get("env", []):
        source = each.get("valueFrom") or {}
        if "fieldRef" in source:
            value = field(pod, source["fieldRef"]["fieldPath"], place)
        elif "configMapKeyRef" in source:
            wanted = source["configMapKeyRef"]
            value = data("configmaps", wanted["name"])[wanted["key"]]
        elif "secretKeyRef" in source:
            wanted = source["secretKeyRef"]
            value = base64.b64decode(data("secrets", wanted["name"])[wanted["key"]]).decode()
        elif "resourceFieldRef" in source:
            value = "1"  # Of processors: each proxy has one thread for its work.
        elif source:
            raise UnsupportedError(f"env {each['name']}: {', '.join(source)}")
        else:
            value = filled(each.get("value", ""), found)
        found[each["name"]] = value
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """Fill `$(NAME)` in, as a kubelet does: a name that is not known stays as it is written."""
    for name, value in values.items():
        text = text.replace(f"$({name})", value)
    return text


def command(
    container: Manifest,
    values: Mapping[str, str],
    images: Mapping[str, Sequence[str]] = IMAGES,
    programs: Collection[str] = (),
) -> list[str]:
    """The command line of a container; raises UnsupportedError for an image without a program.

    programs: names beside Linkerd's of those that lie with them.
    """
    image = PurePosixPath(container["image"].partition("@")[0]).name.partition(":")[0]
    given = list(container.get("command", ())) or list(images.get(image, ()))
    if not given:
        raise UnsupportedError(
            f"container {container['name']}: image {container['image']} has no program here; "
            f"there are {', '.join(images)}"
        )
    program = PurePosixPath(given[0]).name
    if program.startswith("linkerd") or program in programs:
        given[0] = f"{PROGRAMS_DIR}/{program}"
    elif program in ("python", "python3"):
        given[0] = sys.executable
    return [filled(each, values) for each in [*given, *container.get("args", ())]]


def user(pod: Manifest, container: Manifest) -> tuple[int, int]:
    """The uid and gid that a container runs with."""
    context = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
    if "NET_ADMIN" in context.get("capabilities", {}).get("add", ()):
        return 0, 0  # The image has these capabilities in the file of its program.
    uid = int(context.get("runAsUser", 0))
    return uid, int(context.get("runAsGroup", uid))


def mounts(container: Manifest) -> list[Mount]:
    """The volumes of a container."""
    # All of /run is a container's own.
    return [
        Mount(each["name"], each["mountPath"], each.get("subPath", ""))
        for each in container.get("volumeMounts", [])
        if PurePosixPath(each["mountPath"]) != PurePosixPath("/run")
    ]


def script(
    given: Sequence[str],
    mounted: Sequence[Mount],
    ids: tuple[int, int],
    folder: Path,
    programs: Path,
    files: Mapping[str, Path] | None = None,
) -> list[str]:
    """The command that arranges a container's mounts, and becomes its program without rights.

    folder: of the pod, with `volumes` and `resolv.conf`. programs: a folder with `linkerd/`. files:
    what pods find at a path where this machine has another file.
    """
    quoted = shlex.quote
    lines = [
        "set -e",
        # Read before /run is covered: on many machines it is a link to there.
        "resolv=$(readlink -m /etc/resolv.conf)",
        'mount -t tmpfs -o mode=755 none "$(readlink -f /var/run)"',
        # A container's own, too: what another user's Envoy has left there would end each of ours.
        "test ! -d /dev/shm || mount -t tmpfs -o mode=1777 none /dev/shm",
        f"mount -t overlay overlay -o lowerdir={quoted(str(programs))}:/usr/lib /usr/lib",
        'mkdir -p "$(dirname "$resolv")"',
        'test -e "$resolv" || : > "$resolv"',
        f'mount --bind {quoted(str(folder / "resolv.conf"))} "$resolv"',
    ]
    lines += [
        f"mount --bind {quoted(str(file))} {quoted(path)}" for path, file in (files or {}).items()
    ]
    root = ""
    if any(not _of_a_container(each.path) for each in mounted):
        root = str(folder / "root")
        lines += _own_root(quoted(root))
    for each in mounted:
        source = folder / "volumes" / each.volume / each.sub_path
        # A link, as /var/run is on many machines, leads out of a root that is not this process's.
        lines.append(f'at={quoted(root)}"$(readlink -m {quoted(each.path)})"')
        made = 'mkdir -p "$(dirname "$at")" && : > "$at"' if each.sub_path else 'mkdir -p "$at"'
        lines.append(made)
        lines.append(f'mount --bind {quoted(str(source))} "$at"')
    become = f'setpriv --reuid={ids[0]} --regid={ids[1]} --clear-groups -- "$@"'
    lines.append(f"exec chroot {quoted(root)} {become}" if root else f"exec {become}")
    return ["sh", "-c", "\n".join(lines), "sh", *given]


def _of_a_container(path: str) -> bool:
    return any(PurePosixPath(path).is_relative_to(each) for each in ("/run", "/var/run"))


def _own_root(root: str) -> list[str]:
    """Lines that make this machine's files into a root of the container's own, to be changed."""
    return [
        f"mkdir -p {root}",
        f"mount -t tmpfs -o mode=755 none {root}",
        f"mkdir {root}/.upper {root}/.work",
        # What is mounted now is mounted in it as well, in the same order.
        "mounted=$(cut -d' ' -f2 /proc/self/mounts)",
        f"over=upperdir={root}/.upper,workdir={root}/.work",
        f'mount -t overlay overlay -o "lowerdir=/,$over" {root}',
        "for each in $mounted; do",
        f'case $each in / | {root}) ;; *) mount --bind "$each" {root}"$each" 2>&- || : ;; esac',
        "done",
    ]


def probe(container: Manifest, kind: str) -> Probe | None:
    """A container's startupProbe or readinessProbe; None where it has none that can be asked."""
    found = container.get(kind) or {}
    how = found.get("httpGet") or found.get("tcpSocket")
    if not how:
        return None
    port = how["port"]
    if isinstance(port, str):
        port = next(each["containerPort"] for each in container["ports"] if each["name"] == port)
    path = how.get("path", "/") if "httpGet" in found else None
    return Probe(int(port), path, float(found.get("initialDelaySeconds", 0)))


def drain(pod: Manifest, default: float) -> float:
    """Seconds between a pod's deletion and the signal to its programs."""
    sleeps = [
        each.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        for each in pod["spec"]["containers"]
    ]
    return float(max(sleeps)) or default


def status(
    pod: Manifest,
    place: HostPlace,
    node_address: str,
    now: str,
    *,
    phase: str,
    ready: bool,
    states: Mapping[str, Manifest],
    restarts: Mapping[str, int],
) -> dict[str, Any]:
    """The status of a pod. states: by container, `running`, `waiting` or `terminated`."""
    whole = "True" if ready else "False"
    gates = [each["conditionType"] for each in pod["spec"].get("readinessGates", [])]
    initialized = all(
        "running" in states.get(each["name"], {}) or "terminated" in states.get(each["name"], {})
        for each in pod["spec"].get("initContainers", [])
    )
    values = {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "True",
        "Initialized": "True" if initialized else "False",
        "ContainersReady": whole,
        "Ready": whole,
        **dict.fromkeys(gates, "True"),
    }
    before = {each["type"]: each for each in pod.get("status", {}).get("conditions", [])}
    conditions = [
        {
            "type": kind,
            "status": value,
            "lastTransitionTime": before[kind]["lastTransitionTime"]
            if before.get(kind, {}).get("status") == value
            and before[kind].get("lastTransitionTime")
            else now,
        }
        for kind, value in values.items()
    ]

    def container_status(each: Manifest) -> dict[str, Any]:
        state = states.get(each["name"], {"waiting": {"reason": "PodInitializing"}})
        return {
            "name": each["name"],
            "image": each["image"],
            "imageID": "",
            "ready": ready if "running" in state else "terminated" in state and phase == "Running",
            "started": "running" in state,
            "restartCount": restarts.get(each["name"], 0),
            "state": state,
        }

    return {
        "phase": phase,
        "hostIP": node_address,
        "hostIPs": [{"ip": node_address}],
        "podIP": place.address,
        "podIPs": [{"ip": place.address}],
        "startTime": pod.get("status", {}).get("startTime", now),
        "conditions": conditions,
        "initContainerStatuses": [
            container_status(each) for each in pod["spec"].get("initContainers", [])
        ],
        "containerStatuses": [container_status(each) for each in pod["spec"]["containers"]],
    }
