"""The control plane: what it is made of is there, runs, is spread, and knows the networks."""

from __future__ import annotations

from bot.clients.kubernetes import condition, place
from bot.mesh.status import cluster
from bot.mesh.status.facts import Facts
from bot.mesh.status.linkerd_config import NAME, config_of
from bot.mesh.status.model import CheckResult, Subject, fail, ok, warn
from bot.mesh.status.objects import (
    COMPONENT,
    available,
    bot_up,
    labels,
    meshed_pods,
    not_ready,
    proxy_ready,
    running,
    some,
    there,
)
from components.names import CONTROL_PLANE_LABEL, LINKERD

SUBJECT = Subject("control-plane")
RUNBOOK = "docs/runbooks/alerts/control-plane.md"
DEPLOYMENTS = ("linkerd-destination", "linkerd-identity", "linkerd-proxy-injector")
ROLES = ("linkerd-linkerd-identity", "linkerd-linkerd-proxy-injector")
HEARTBEAT = "linkerd-heartbeat"
BUDGETS = ("linkerd-dst", "linkerd-identity", "linkerd-proxy-injector")
INJECTOR = "linkerd-proxy-injector-webhook-config"
VALIDATORS = ("linkerd-sp-validator-webhook-config", "linkerd-policy-validator-webhook-config")
# The newest version of each CRD of the chart linkerd-crds 2026.6.3, as `linkerd check` wants it.
CRDS = (
    "authorizationpolicies.policy.linkerd.io/v1alpha1",
    "egressnetworks.policy.linkerd.io/v1alpha1",
    "externalworkloads.workload.linkerd.io/v1beta1",
    "httplocalratelimitpolicies.policy.linkerd.io/v1alpha1",
    "httproutes.policy.linkerd.io/v1beta3",
    "meshtlsauthentications.policy.linkerd.io/v1alpha1",
    "networkauthentications.policy.linkerd.io/v1alpha1",
    "serverauthorizations.policy.linkerd.io/v1beta1",
    "servers.policy.linkerd.io/v1beta3",
    "serviceprofiles.linkerd.io/v1alpha2",
)


def _one_of_each(facts: Facts) -> str | None:
    return None if facts.config.linkerd.ha else "linkerd.ha is false"


@SUBJECT.check("namespace")
def namespace(facts: Facts) -> CheckResult:
    """The namespace is there with the label that keeps its own webhooks away from it."""
    found = facts.named("namespaces", LINKERD)
    if found is None:
        return fail(f"there is no namespace {LINKERD}", bot_up(facts))
    if labels(found).get(CONTROL_PLANE_LABEL) != "true":
        return fail(f"namespace {LINKERD} lacks the label {CONTROL_PLANE_LABEL}", bot_up(facts))
    return ok(f"namespace {LINKERD}")


@SUBJECT.check("config")
def config(facts: Facts) -> CheckResult:
    """The ConfigMap with the values is there: the CLI and the extensions read it."""
    if facts.one("config map", LINKERD, NAME) is None:
        return fail(f"there is no ConfigMap {LINKERD}/{NAME}", f"{bot_up(facts)} --refresh")
    config_of(facts)
    return ok(f"ConfigMap {NAME}")


@SUBJECT.check("crds")
def crds(facts: Facts) -> CheckResult:
    """Every CRD is there and served in the version that this release uses."""
    missing = set(CRDS) - facts.source(cluster.DISCOVERY)
    if missing:
        return fail(f"not served: {some(missing)}", bot_up(facts))
    return ok(f"{len(CRDS)} served")


@SUBJECT.check("cluster-roles")
def cluster_roles(facts: Facts) -> CheckResult:
    """The ClusterRoles of identity and injector are there."""
    return there(facts, "cluster roles", ROLES)


@SUBJECT.check("cluster-role-bindings")
def cluster_role_bindings(facts: Facts) -> CheckResult:
    """The ClusterRoles of identity and injector are bound."""
    return there(facts, "cluster role bindings", ROLES)


@SUBJECT.check("service-accounts")
def service_accounts(facts: Facts) -> CheckResult:
    """The accounts are there, and that of the heartbeat where there is one."""
    wanted = (*DEPLOYMENTS, *((HEARTBEAT,) if facts.config.linkerd.heartbeat else ()))
    return there(facts, "service accounts", wanted, LINKERD)


@SUBJECT.check("webhooks")
def webhooks(facts: Facts) -> CheckResult:
    """Injector and validators are registered, with the failure policy of the stack file."""
    found = {
        each["metadata"]["name"]: each.get("webhooks") or ()
        for kind in ("mutating webhooks", "validating webhooks")
        for each in facts.objects(kind)
    }
    missing = [name for name in (INJECTOR, *VALIDATORS) if not found.get(name)]
    if missing:
        return fail(f"not there: {some(missing)}", bot_up(facts))
    wanted = facts.config.linkerd.webhook_failure_policy
    odd = {
        f"{name} ({policy})"
        for name in (INJECTOR, *VALIDATORS)
        for hook in found[name]
        # The API server's default is Fail.
        if (policy := hook.get("failurePolicy") or "Fail") != wanted
    }
    if odd:
        return fail(f"failurePolicy is not {wanted}: {some(odd)}", bot_up(facts))
    return ok(f"3 registered, failurePolicy {wanted}")


@SUBJECT.check("replica-sets")
def replica_sets(facts: Facts) -> CheckResult:
    """No ReplicaSet fails to make its pods."""
    failed = {
        f"{each['metadata']['name']}: {said}"
        for each in facts.objects("replicasets", LINKERD)
        for held, said in [condition(each, "ReplicaFailure")]
        if held
    }
    return fail(some(failed), RUNBOOK) if failed else ok("each makes its pods")


@SUBJECT.check("scheduling")
def scheduling(facts: Facts) -> CheckResult:
    """Every pod has a node."""
    waiting = {
        each["metadata"]["name"]
        for each in facts.objects("pods", LINKERD)
        for reason in (each.get("status") or {}).get("conditions") or ()
        if reason.get("reason") == "Unschedulable"
    }
    if waiting:
        return warn(f"no node for {some(waiting)}", "kubectl -n linkerd describe pods")
    return ok("every pod has a node")


@SUBJECT.check("deployments")
def deployments(facts: Facts) -> CheckResult:
    """Each Deployment has all its replicas."""
    found = {each["metadata"]["name"]: each for each in facts.objects("deployments", LINKERD)}
    missing = [name for name in DEPLOYMENTS if name not in found]
    if missing:
        return fail(f"not there: {some(missing)}", bot_up(facts))
    figures = {name: available(each) for name, each in found.items()}
    none = [name for name, (up, _, _) in figures.items() if name in DEPLOYMENTS and up < 1]
    if none:
        return fail(f"no replica available: {some(none)}", RUNBOOK)
    wanted = {name: _wanted(facts, name, of) for name, (_, of, _) in figures.items()}
    short = {
        f"{name} {up} of {wanted[name]}"
        for name, (up, _, current) in figures.items()
        if up < wanted[name] or not current
    }
    if short:
        return warn(f"available: {some(short)}", RUNBOOK)
    return ok(", ".join(f"{name} {figures[name][0]}" for name in DEPLOYMENTS))


def _wanted(facts: Facts, name: str, replicas: int) -> int:
    """What the stack file says, where somebody has scaled it down by hand."""
    return max(replicas, facts.config.linkerd.replicas if name in DEPLOYMENTS else 0)


@SUBJECT.check("pods")
def pods(facts: Facts) -> CheckResult:
    """The containers of every pod are ready."""
    every = [each for each in facts.objects("pods", LINKERD) if running(each)]
    odd = {f"{each['metadata']['name']} ({some(c)})" for each in every if (c := not_ready(each))}
    if not every:
        return fail(f"no pod runs in {LINKERD}", RUNBOOK)
    if odd:
        return warn(f"not ready: {some(odd)}", "kubectl -n linkerd describe pods")
    return ok(f"{len(every)} ready")


@SUBJECT.check("proxies")
def proxies(facts: Facts) -> CheckResult:
    """Every pod of the control plane has a proxy that is ready."""
    every = [each for each in facts.objects("pods", LINKERD) if running(each)]
    unmeshed = {place(each) for each in every if each not in meshed_pods(facts, LINKERD)}
    # The heartbeat's pods have none: linkerd2 charts/linkerd-control-plane/templates/heartbeat.yaml
    unmeshed = {name for name in unmeshed if HEARTBEAT not in name}
    odd = {place(each) for each in meshed_pods(facts, LINKERD) if not proxy_ready(each)}
    if unmeshed or odd:
        return fail(f"no proxy that is ready: {some(unmeshed | odd)}", RUNBOOK)
    return ok(f"{len(every)} ready")


@SUBJECT.check("replicas", off=_one_of_each)
def replicas(facts: Facts) -> CheckResult:
    """In HA a majority of the replicas is available, and they are on different nodes."""
    few, close = set(), set()
    wanted = facts.config.linkerd.replicas
    quorum = facts.config.observability.alerts.thresholds.quorum or wanted // 2 + 1
    nodes = min(wanted, len(facts.objects("nodes")))
    for name in DEPLOYMENTS:
        deployment = facts.named("deployments", name, LINKERD)
        if deployment is None or available(deployment)[0] < quorum:
            few.add(name)
            continue
        component = labels(deployment).get(COMPONENT)
        on = {
            each["spec"].get("nodeName")
            for each in facts.objects("pods", LINKERD)
            if running(each) and labels(each).get(COMPONENT) == component
        }
        if len(on) < nodes:
            close.add(f"{name} on {len(on)}")
    if few:
        return fail(f"fewer than {quorum} replicas available: {some(few)}", RUNBOOK)
    if close:
        return warn(f"to be on {nodes} nodes: {some(close)}", RUNBOOK)
    return ok(f"each on {nodes} nodes")


@SUBJECT.check("disruption-budgets", off=_one_of_each)
def disruption_budgets(facts: Facts) -> CheckResult:
    """In HA a drain cannot take all replicas of one at once."""
    return there(facts, "disruption budgets", BUDGETS, LINKERD)
