"""The Buoyant Cloud agent and its credentials, as far as the cluster knows.

What the vendor's side makes of them has no public API: docs/runbooks/buoyant-cloud.md. The names
follow `linkerd buoyant check`.
"""

from __future__ import annotations

from bot.clients.kubernetes import Manifest, alive, condition
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, fail, ok, skipped, warn
from bot.mesh.status.objects import (
    EXTENSION,
    available,
    bot_up,
    images,
    labels,
    not_ready,
    some,
    tag,
)
from bot.mesh.status.pinned import pinned
from components.buoyant_cloud import CREDENTIALS_SECRET, LABELS
from components.names import LINKERD_BUOYANT

SUBJECT = Subject("buoyant-cloud")
AGENT, METRICS, METADATA = "buoyant-cloud-agent", "buoyant-cloud-metrics", "agent-metadata"
KEYS = ("client_id", "client_secret")
RUNBOOK = "docs/runbooks/buoyant-cloud.md"


def _off(facts: Facts) -> str | None:
    return None if facts.config.buoyant_cloud.enabled else "buoyantCloud.enabled is false"


@SUBJECT.check("namespace", off=_off)
def namespace(facts: Facts) -> CheckResult:
    """The agent's namespace is there, with the label by which the CLI finds it."""
    found = facts.named("namespaces", LINKERD_BUOYANT)
    if found is None or labels(found).get(EXTENSION) != "buoyant":
        why = f"no namespace {LINKERD_BUOYANT} with the label {EXTENSION}: buoyant"
        return fail(why, bot_up(facts))
    return ok(f"namespace {LINKERD_BUOYANT}")


@SUBJECT.check("synced", off=_off)
def synced(facts: Facts) -> CheckResult:
    """The credentials come from Vault, and the last reading of it went well."""
    if facts.config.buoyant_cloud.credentials.source != "vault":
        return skipped("the credentials are in the stack config")
    found = facts.named("external secrets", CREDENTIALS_SECRET, LINKERD_BUOYANT)
    if found is None:
        return fail(f"there is no ExternalSecret {CREDENTIALS_SECRET}", RUNBOOK)
    ready, said = condition(found, "Ready")
    if not ready:
        return fail(f"the ExternalSecret is not synced: {said}", RUNBOOK)
    at = (found.get("status") or {}).get("refreshTime", "at an unknown time")
    return ok(f"synced {at}")


@SUBJECT.check("credentials", off=_off)
def credentials(facts: Facts) -> CheckResult:
    """Id and secret are there and not empty, in a Secret with the label of the vendor's check."""
    found = facts.secret(LINKERD_BUOYANT, CREDENTIALS_SECRET)
    if found is None:
        return fail(f"there is no Secret {CREDENTIALS_SECRET}", RUNBOOK)
    if missing := set(KEYS) - found.keys:
        return fail(f"Secret {CREDENTIALS_SECRET} lacks {some(missing)}", RUNBOOK)
    if not LABELS.items() <= found.labels.items():
        return warn(f"Secret {CREDENTIALS_SECRET} lacks the label {next(iter(LABELS))}", RUNBOOK)
    return ok("both are there")


@SUBJECT.check("metadata", off=_off)
def metadata(facts: Facts) -> CheckResult:
    """The ConfigMap by which the agent knows itself is there."""
    if facts.one("config map", LINKERD_BUOYANT, METADATA) is None:
        return fail(f"there is no ConfigMap {METADATA}", RUNBOOK)
    return ok(f"ConfigMap {METADATA}")


@SUBJECT.check("agent", off=_off)
def agent(facts: Facts) -> CheckResult:
    """The agent runs, once, and says that it is ready."""
    found = facts.named("deployments", AGENT, LINKERD_BUOYANT)
    if found is None:
        return fail(f"there is no Deployment {AGENT}", RUNBOOK)
    up, wanted, current = available(found)
    if up < 1:
        return fail(f"no replica available{_why(facts, AGENT)}", RUNBOOK)
    if up != wanted or wanted != 1 or not current:
        return warn(f"{up} of {wanted} replicas available, to be one", RUNBOOK)
    return ok("one replica available")


@SUBJECT.check("metrics", off=_off)
def metrics(facts: Facts) -> CheckResult:
    """The collector of metrics runs on every node that it is to run on."""
    found = facts.named("daemonsets", METRICS, LINKERD_BUOYANT)
    if found is None:
        return fail(f"there is no DaemonSet {METRICS}", RUNBOOK)
    status = found.get("status") or {}
    ready, wanted = status.get("numberReady", 0), status.get("desiredNumberScheduled", 0)
    if ready < wanted or not wanted:
        return warn(f"ready on {ready} of {wanted} nodes{_why(facts, METRICS)}", RUNBOOK)
    return ok(f"ready on {ready} nodes")


@SUBJECT.check("version", off=_off)
def version(facts: Facts) -> CheckResult:
    """The agent is of the version that charts.yaml pins."""
    found = facts.named("deployments", AGENT, LINKERD_BUOYANT)
    if found is None:
        return fail(f"there is no Deployment {AGENT}", RUNBOOK)
    wanted, seen = pinned(facts.target.project_dir).buoyant, _version(found)
    if seen != wanted:
        return warn(f"{seen or 'unknown'}, charts.yaml pins {wanted}", bot_up(facts))
    return ok(f"{seen}, as pinned")


def _version(deployment: Manifest) -> str:
    """By its label, as `linkerd buoyant check` has it; else by the image of the agent."""
    named = labels(deployment).get("app.kubernetes.io/version") or tag(
        images(deployment).get(AGENT, "")
    )
    return named.removeprefix("v")


def _why(facts: Facts, workload: str) -> str:
    """What its containers wait for, in words of the kubelet; empty where it does not tell."""
    reasons = set()
    for each in facts.objects("pods", LINKERD_BUOYANT):
        if not each["metadata"]["name"].startswith(f"{workload}-") or not alive(each):
            continue
        status = each.get("status") or {}
        for kind in ("initContainerStatuses", "containerStatuses"):
            for container in status.get(kind) or ():
                state = (container.get("state") or {}).get("waiting") or {}
                if container["name"] in not_ready(each) and state.get("reason"):
                    reasons.add(f"{container['name']}: {state['reason']}")
    return f" ({some(reasons)})" if reasons else ""
