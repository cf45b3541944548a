"""Workloads in the mesh: how far the rollout is, and which default inbound policy they have."""

from __future__ import annotations

from collections import Counter, defaultdict

from bot.mesh.authorization import objections
from bot.mesh.rollout.standing import NO_WAVE, standings
from bot.mesh.status.facts import Facts
from bot.mesh.status.linkerd_config import config_of
from bot.mesh.status.model import CheckResult, Subject, fail, ok, skipped, warn
from bot.mesh.status.objects import bot_up, some
from components.linkerd import NOT_LOOKED_AT
from components.namespaces import NO_WEBHOOKS
from components.policy import arguments as arguments_policy
from components.policy import look_up as policy
from components.policy.namespace_policy import DEFAULT_INBOUND_POLICY
from components.rollout import plan as rollout

ROLLOUT, POLICY = Subject("rollout"), Subject("policy")
_REFUSED = "docs/runbooks/mesh-a-namespace.md"
_INJECTOR = "docs/runbooks/alerts/control-plane.md#linkerdinjectorrejections"


def _no_plan(facts: Facts) -> str | None:
    return None if facts.config.rollout.waves else "the stack file has no wave (rollout.waves)"


@ROLLOUT.check("plan", off=_no_plan)
def plan(facts: Facts) -> CheckResult:
    """Every namespace of the plan is there, and the plan is applied to it."""
    own = [each for each in standings(facts.config, facts.rollout) if each.wave != NO_WAVE]
    gone = {each.namespace for each in own if each.mesh == "not there" and each.state != "off"}
    there = facts.rollout.namespaces
    odd = {
        f"{each.namespace} ({each.state})"
        for each in own
        if each.namespace in there and (there[each.namespace].state or "off") != each.state
    }
    if gone:
        return fail(f"not there: {some(gone)}", "docs/runbooks/mesh-a-namespace.md")
    if odd:
        next_ = bot_up(facts)
        return warn(f"not applied: {some(odd)}", next_)
    counts = Counter(each.state for each in own)
    return ok(", ".join(f"{number} {state}" for state, number in sorted(counts.items())))


@ROLLOUT.check("meshed", running=True, off=_no_plan)
def meshed(facts: Facts) -> CheckResult:
    """The pods of each namespace of the plan are in the mesh as it says."""
    own = [each for each in standings(facts.config, facts.rollout) if each.wave != NO_WAVE]
    waiting = {f"{each.namespace} ({len(each.restarts)})" for each in own if each.restarts}
    if waiting:
        next_ = f"python -m bot rollout status --stack {facts.target.stack}"
        return warn(f"pods have to restart: {some(waiting)}", next_)
    pods, proxies = sum(each.pods for each in own), sum(each.meshed for each in own)
    return ok(f"{proxies} of {pods} pods in the mesh, as planned")


@ROLLOUT.check("injector")
def injector(facts: Facts) -> CheckResult:
    """The injector failed no pod lately (`rollout.gates.window`)."""
    failed = {f"{name} ({count})" for name, count in facts.rollout.failures.items() if count}
    if failed:
        return fail(f"pods could not be made for its sake: {some(failed)}", _INJECTOR)
    return ok(f"no failure in {facts.config.rollout.gates.window}")


@ROLLOUT.check("refused", off=_no_plan)
def refused(facts: Facts) -> CheckResult:
    """The API server refused no pod of a namespace in the mesh lately."""
    inside = {
        each.name
        for wave, each in rollout.named(facts.config)
        if wave.state != "off" and not each.opt_out
    }
    odd = {
        f"{name} ({said})"
        for name, said in facts.rollout.refused.items()
        if name.partition("/")[0] in inside
    }
    if odd:
        return fail(f"pods are refused: {some(odd)}", _REFUSED)
    return ok(f"no pod was refused in {facts.config.rollout.gates.window}")


@ROLLOUT.check("restartable", off=_no_plan)
def restartable(facts: Facts) -> CheckResult:
    """Nothing speaks against the next restart of a workload in the mesh, or drops its traffic."""
    found = facts.admission
    if found.refusals:
        return warn(some(set(map(str, found.refusals))), _REFUSED)
    if unread := {each for each in found.notes if each.startswith("not looked at")}:
        return warn(some(unread), _REFUSED)
    return ok("pod security, quotas, nodes and NetworkPolicies let meshed pods be")


@ROLLOUT.check("cold-start", off=_no_plan)
def cold_start(facts: Facts) -> CheckResult:
    """The injector's webhook does not look at what has to start before the mesh."""
    if facts.config.linkerd.webhook_failure_policy != "Fail":
        return ok("pods start while no injector runs (webhookFailurePolicy)")
    passed = {*NOT_LOOKED_AT, *rollout.passed_by(facts.config)}
    with_pods = {each.namespace for each in facts.rollout.pods}
    odd = {
        each.name
        for each in facts.rollout.namespaces.values()
        if each.name in with_pods - passed
        and _starts_before(facts, each.name)
        and each.labels.items().isdisjoint(NO_WEBHOOKS.items())
    }
    if odd:
        return warn(
            f"no pod starts there while no injector runs: {some(odd)}",
            "name them in rollout.never: docs/runbooks/cluster-was-off.md",
        )
    return ok("the injector's webhook passes by what the mesh itself needs")


def _starts_before(facts: Facts, name: str) -> bool:
    why = rollout.forbidden(facts.config, name)
    return why in rollout.NEVER or (why is None and name in facts.rollout.critical)


@POLICY.check("default")
def default(facts: Facts) -> CheckResult:
    """The control plane gives new proxies the default policy of the stack file."""
    wanted = facts.config.linkerd.default_inbound_policy
    found = (config_of(facts).get("proxy") or {}).get("defaultInboundPolicy")
    if found != wanted:
        next_ = bot_up(facts)
        return fail(f"{found}, the stack file says {wanted}", next_)
    return ok(f"default {wanted}")


@POLICY.check("default-inbound-policy")
def default_inbound_policy(facts: Facts) -> CheckResult:
    """Each namespace in the mesh has the default inbound policy of the stack file."""
    config = facts.config
    by_policy: dict[str, set[str]] = defaultdict(set)
    odd = set()
    for wave, planned in rollout.named(config):
        there = facts.rollout.namespaces.get(planned.name)
        if wave.state == "off" or planned.opt_out or there is None:
            continue
        inbound = policy.inbound_policy(config, planned.name)
        by_policy[inbound].add(planned.name)
        wanted = arguments_policy.wish(config, planned.name).get(DEFAULT_INBOUND_POLICY)
        if there.annotations.get(DEFAULT_INBOUND_POLICY) != wanted:
            odd.add(f"{planned.name} (to be {inbound})")
    if odd:
        next_ = bot_up(facts)
        return fail(f"another default inbound policy than the stack file's: {some(odd)}", next_)
    if not by_policy:
        return skipped("no namespace of the plan is in the mesh")
    return ok("; ".join(f"{each}: {some(names)}" for each, names in sorted(by_policy.items())))


@POLICY.check("fits")
def fits(facts: Facts) -> CheckResult:
    """The policies fit what runs: no port is closed that pods serve, no probe denied."""
    names = sorted(facts.config.policy.namespaces)
    if not names:
        return skipped("no namespace has a policy (policy.namespaces)")
    faults = [
        f"{name}: {each.message}"
        for name in names
        for each in objections.find(facts.config, facts.source(f"policy {name}"))
    ]
    if faults:
        next_ = f"python -m bot policy check --stack {facts.target.stack}"
        return fail(some(faults), next_)
    return ok(f"those of {len(names)} namespaces")
