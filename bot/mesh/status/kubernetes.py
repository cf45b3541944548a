"""The cluster below the mesh: API server, nodes, clocks."""

from __future__ import annotations

from datetime import timedelta

from bot.clients.kubernetes import condition, moment
from bot.mesh.status import cluster
from bot.mesh.status.facts import Facts
from bot.mesh.status.linkerd_config import config_of
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import some

SUBJECT = Subject("kubernetes")
# Linkerd 2.20: https://linkerd.io/2/reference/k8s-versions/, linkerd2 pkg/k8s/api.go
OLDEST, NEWEST = (1, 31), (1, 35)
# A kubelet renews its Lease every 10 s: kubernetes.io/docs/concepts/architecture/leases/
CLOCK_SKEW = timedelta(minutes=1)
_NODES = "kubectl get nodes"


@SUBJECT.check("api")
def api(facts: Facts) -> CheckResult:
    """The API server answers."""
    return ok(f"the API server is {facts.source(cluster.VERSION)}")


@SUBJECT.check("version")
def version(facts: Facts) -> CheckResult:
    """Its version is one that Linkerd supports."""
    text = str(facts.source(cluster.VERSION))
    major, minor = text.removeprefix("v").split(".")[:2]
    found = (int(major), int("".join(each for each in minor if each.isdigit())))
    shown = "{}.{} to {}.{}".format(*OLDEST, *NEWEST)
    if found < OLDEST:
        return fail(f"{text}: Linkerd needs {shown}", "move the cluster to a newer Kubernetes")
    if found > NEWEST:
        return warn(f"{text}: Linkerd is tested with {shown}", "docs/charts.md: a newer Linkerd")
    return ok(f"{text}, within {shown}")


@SUBJECT.check("nodes")
def nodes(facts: Facts) -> CheckResult:
    """Every node is ready."""
    every = facts.objects("nodes")
    down = [each["metadata"]["name"] for each in every if not condition(each, "Ready")[0]]
    if not every:
        return fail("there is no node", _NODES)
    if down:
        return warn(f"{len(down)} of {len(every)} are not ready: {some(down)}", _NODES)
    return ok(f"{len(every)} ready")


@SUBJECT.check("clocks")
def clocks(facts: Facts) -> CheckResult:
    """The clocks of ready nodes and our own agree: certificates live by them."""
    up = {
        each["metadata"]["name"] for each in facts.objects("nodes") if condition(each, "Ready")[0]
    }
    times = {
        each["metadata"]["name"]: moment(each["spec"]["renewTime"])
        for each in facts.objects("leases")
        if each["spec"].get("renewTime")
    }
    known = up & times.keys()
    off = [name for name in known if abs(facts.now - times[name]) > CLOCK_SKEW]
    if not known:
        return warn("no node has a Lease, so their clocks are not known", _NODES)
    if off:
        return warn(
            f"the last sign of {some(off)} is more than a minute from our clock",
            "compare the clocks (NTP) of the nodes and of this machine",
        )
    return ok(f"those of {len(known)} nodes and of this machine agree")


@SUBJECT.check("runtime")
def runtime(facts: Facts) -> CheckResult:
    """No node runs Docker, where proxy-init must be root, unless it is."""
    docker = [
        each["metadata"]["name"]
        for each in facts.objects("nodes")
        if str(each["status"].get("nodeInfo", {}).get("containerRuntimeVersion", "")).startswith(
            "docker:"
        )
    ]
    if docker and not (config_of(facts).get("proxyInit") or {}).get("runAsRoot"):
        return fail(
            f"{some(docker)}: Docker, and proxy-init is not root",
            "move these nodes to containerd: https://linkerd.io/2/checks/#l5d-proxy-init-run-as-root",
        )
    return ok("no node needs proxy-init to be root")
