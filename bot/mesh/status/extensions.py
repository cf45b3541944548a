"""Extensions: viz, and the labels by which Linkerd's CLI finds each of them."""

from __future__ import annotations

from collections import defaultdict

from bot.clients.kubernetes import condition, place
from bot.mesh.status import data_plane, versions
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, fail, ok, skipped, warn
from bot.mesh.status.objects import (
    COMPONENT,
    EXTENSION,
    bot_up,
    labels,
    meshed_pods,
    running,
    some,
    there,
)
from bot.mesh.status.operators import deployments
from components.names import LINKERD_VIZ

SUBJECT = Subject("extensions")
RUNBOOK = "docs/components/viz.md"
TAP = "v1alpha1.tap.linkerd.io"
COMPONENTS = ("web", "tap", "metrics-api", "tap-injector")
ROLES = (
    "linkerd-linkerd-viz-metrics-api",
    "linkerd-linkerd-viz-tap",
    "linkerd-linkerd-viz-tap-admin",
    "linkerd-tap-injector",
)
BINDINGS = (
    "linkerd-linkerd-viz-metrics-api",
    "linkerd-linkerd-viz-tap",
    "linkerd-linkerd-viz-tap-auth-delegator",
    "linkerd-tap-injector",
)
PROMETHEUS_ROLE = "linkerd-linkerd-viz-prometheus"


def no_viz(facts: Facts) -> str | None:
    """Why viz is not looked at."""
    return None if facts.config.viz.enabled else "viz.enabled is false"


@SUBJECT.check("namespaces")
def namespaces(facts: Facts) -> CheckResult:
    """No two namespaces say that they are the same extension."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in facts.objects("namespaces"):
        if extension := labels(each).get(EXTENSION):
            found[extension].add(each["metadata"]["name"])
    odd = {f"{name} ({some(twice)})" for name, twice in found.items() if len(twice) > 1}
    if odd:
        return warn(f"twice: {some(odd)}", f"take the label {EXTENSION} off one of them")
    return ok(", ".join(sorted(found)) or "there is none")


@SUBJECT.check("viz-namespace", off=no_viz)
def viz_namespace(facts: Facts) -> CheckResult:
    """The namespace of viz is there, with the label by which the CLI finds it."""
    found = facts.named("namespaces", LINKERD_VIZ)
    if found is None or labels(found).get(EXTENSION) != "viz":
        return fail(f"no namespace {LINKERD_VIZ} with the label {EXTENSION}: viz", bot_up(facts))
    return ok(f"namespace {LINKERD_VIZ}")


@SUBJECT.check("viz-roles", off=no_viz)
def viz_roles(facts: Facts) -> CheckResult:
    """The ClusterRoles of viz are there."""
    return there(facts, "cluster roles", ROLES)


@SUBJECT.check("viz-bindings", off=no_viz)
def viz_bindings(facts: Facts) -> CheckResult:
    """The ClusterRoles of viz are bound."""
    return there(facts, "cluster role bindings", BINDINGS)


@SUBJECT.check("viz-tap-api", off=no_viz)
def viz_tap_api(facts: Facts) -> CheckResult:
    """The API server reaches tap."""
    found = facts.named("api services", TAP)
    if found is None:
        return fail(f"there is no APIService {TAP}", bot_up(facts))
    held, said = condition(found, "Available")
    return ok(f"{TAP} is available") if held else warn(said, RUNBOOK)


@SUBJECT.check("viz-deployments", off=no_viz)
def viz_deployments(facts: Facts) -> CheckResult:
    """The Deployments of viz are available."""
    found = deployments(facts, LINKERD_VIZ, RUNBOOK)
    # Without viz the mesh goes on: nobody is called for it.
    return warn(found.seen, found.next) if found.state == "fail" else found


@SUBJECT.check("viz-pods", off=no_viz)
def viz_pods(facts: Facts) -> CheckResult:
    """A pod of each part of viz runs."""
    missing = set(COMPONENTS) - _parts(facts)
    if missing:
        return warn(f"no pod runs of {some(missing)}", RUNBOOK)
    return ok(f"{len(COMPONENTS)} parts run")


@SUBJECT.check("viz-injected", running=True, off=no_viz)
def viz_injected(facts: Facts) -> CheckResult:
    """Every pod of viz has a proxy."""
    pods = [each for each in facts.objects("pods", LINKERD_VIZ) if running(each)]
    meshed = meshed_pods(facts, LINKERD_VIZ)
    odd = {place(each) for each in pods if each not in meshed}
    if odd:
        return warn(f"no proxy: {some(odd)}", f"kubectl -n {LINKERD_VIZ} rollout restart deploy")
    return ok(f"{len(pods)} pods with a proxy")


@SUBJECT.check("viz-proxies", off=no_viz)
def viz_proxies(facts: Facts) -> CheckResult:
    """The proxies of viz are ready."""
    return data_plane.judge_proxies(facts, meshed_pods(facts, LINKERD_VIZ), RUNBOOK)


@SUBJECT.check("viz-versions", off=no_viz)
def viz_versions(facts: Facts) -> CheckResult:
    """The proxies of viz are of the control plane's version."""
    return versions.extension_proxies(facts, LINKERD_VIZ)


@SUBJECT.check("viz-prometheus", off=no_viz)
def viz_prometheus(facts: Facts) -> CheckResult:
    """The Prometheus of viz runs, with its config and its rights, where viz has its own."""
    if facts.config.viz.prometheus_url:
        return skipped("viz reads the Prometheus of viz.prometheusUrl")
    missing = {
        f"{kind} {PROMETHEUS_ROLE}"
        for kind in ("cluster roles", "cluster role bindings")
        if PROMETHEUS_ROLE not in facts.names(kind)
    }
    if facts.one("config map", LINKERD_VIZ, "prometheus-config") is None:
        missing.add("ConfigMap prometheus-config")
    if "prometheus" not in _parts(facts):
        missing.add("a pod that runs")
    if missing:
        return warn(f"Prometheus lacks {some(missing)}", RUNBOOK)
    return ok("Prometheus runs with its config")


def _parts(facts: Facts) -> set[str]:
    """The parts of viz of which a pod runs; the label is CheckForPods' of `linkerd viz check`."""
    return {
        part
        for each in facts.objects("pods", LINKERD_VIZ)
        if running(each)
        for key in ("component", COMPONENT)
        if (part := labels(each).get(key))
    }
