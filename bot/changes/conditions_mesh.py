"""Conditions of rules about what runs: CRDs, namespaces, webhooks, providers, the control plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.changes import conditions_trust as trust
from bot.changes import label_changes, versions
from bot.changes.model import Change, FieldChange, Op
from bot.changes.objects import (
    PROVIDER,
    RELEASE,
    WEBHOOKS,
    WORKLOADS,
    both,
    changed,
    goes,
    is_crd_release,
    is_platform,
    items,
    mapping,
    mesh_settings,
    settings_below,
    shift,
    told,
)
from bot.text.lists import listed
from components.names import LINKERD, TRUST_ROOTS_CONFIG_MAP

INJECTOR = "linkerd-proxy-injector-webhook-config"
VERSION_SETTINGS = ("linkerdVersion", "proxy.image", "proxyInit.image", "controllerImageVersion")
NETWORK_SETTINGS = (
    "clusterNetworks",
    "proxyInit",
    "cniEnabled",
    "disableIPv6",
    "proxy.opaquePorts",
)
# Read by what makes pods; other ConfigMaps there hold rules and dashboards.
_CONFIGS = frozenset({"linkerd-config", TRUST_ROOTS_CONFIG_MAP})
# Told by rules of their own, or by what they do to a Deployment or a webhook.
_OTHER_RULES = (
    *("identityTrustDomain", "clusterDomain", "webhookFailurePolicy", "controllerReplicas"),
    "identity.issuer.issuanceLifetime",
)
_HEARTBEAT_SETTINGS = ("disableHeartBeat", "heartbeatSchedule", "heartbeatResources")
_SHIFTS = 3
_HEARTBEAT = "linkerd-heartbeat"  # calls home once a day; nothing calls it
_PROVIDER_TARGET = ("context", "kubeconfig", "cluster", "address", "namespace", "clusterIdentifier")
# The field that tells of another name in the program.
URN = "urn"
Answer = bool | str


def is_crd(change: Change) -> bool:
    """A CRD, or a Helm release of CRDs."""
    return change.kind == "CustomResourceDefinition" or is_crd_release(change)


def crd_goes(change: Change) -> Answer:
    """A CRD goes, and all objects of its kind with it."""
    left = change.op is Op.DELETE and change.retained
    return goes(change) and is_crd(change) and not left


def crd_stops_serving(change: Change) -> Answer:
    """A version is no longer served."""
    if change.kind != "CustomResourceDefinition" or change.op is not Op.UPDATE:
        return False
    served = [
        {str(v.get("name")) for v in map(mapping, items(side)) if v.get("served")}
        for side in both(change, "spec", "versions")
    ]
    return ", ".join(sorted(served[0] - served[1]))


def crd_changes(change: Change) -> Answer:
    """A CRD gets another schema."""
    if change.op is not Op.UPDATE or not is_crd(change):
        return False
    return change.touches("spec", "version", "chart", "values")


def namespace_goes(change: Change) -> Answer:
    """A namespace goes with everything in it."""
    return goes(change) and change.kind == "Namespace"


def webhook_goes(change: Change) -> Answer:
    """An admission webhook goes."""
    return goes(change) and change.kind in WEBHOOKS


def failure_policy(change: Change) -> Answer:
    """Another answer while a webhook cannot be asked."""
    if change.kind not in WEBHOOKS or change.op is not Op.UPDATE:
        return False
    moved = []
    before, after = (_hooks(side) for side in both(change, "webhooks"))
    for name, hook in after.items():
        old, new = (h.get("failurePolicy") or "Fail" for h in (before.get(name, hook), hook))
        if old != new:
            moved.append(f"{name} {old} to {new}")
    return "; ".join(moved)


def webhook_scope(change: Change) -> Answer:
    """A webhook is asked about other objects than before."""
    if change.kind not in WEBHOOKS or change.op is not Op.UPDATE:
        return False
    before, after = (_hooks(side) for side in both(change, "webhooks"))
    parts_ = ("rules", "namespaceSelector", "objectSelector", "clientConfig", "matchConditions")
    return ", ".join(
        name
        for name in dict.fromkeys([*before, *after])
        if any(before.get(name, {}).get(p) != after.get(name, {}).get(p) for p in parts_)
    )


def _hooks(side: Any) -> dict[str, Mapping[str, Any]]:
    return {str(hook.get("name")): hook for hook in map(mapping, items(side))}


def provider_goes(change: Change) -> Answer:
    """A provider goes, and with it everything it has made."""
    return goes(change) and change.type.startswith(PROVIDER)


def provider_target(change: Change) -> Answer:
    """A provider talks to another cluster or Vault."""
    if change.op is not Op.UPDATE or not change.type.startswith(PROVIDER):
        return False
    return ", ".join(key for key in _PROVIDER_TARGET if change.touches(key))


def is_control_plane(change: Change) -> bool:
    """What callers of the control plane reach, and what answers them."""
    if change.namespace != LINKERD or change.object_name == _HEARTBEAT:
        return False
    return change.kind in (*WORKLOADS, "Service", "ServiceAccount")


def control_plane_goes(change: Change) -> Answer:
    """A part of the control plane is not there any more, if only for a moment."""
    return goes(change) and is_control_plane(change)


def config_goes(change: Change) -> Answer:
    """What the injector and the policy controller read goes."""
    if not goes(change) or change.kind != "ConfigMap" or change.namespace != LINKERD:
        return False
    return change.object_name in _CONFIGS


def restarts(change: Change) -> bool:
    """True when the pods of a workload of the platform are made anew."""
    if change.kind not in WORKLOADS or not is_platform(change):
        return False
    return change.op is Op.REPLACE or (change.op is Op.UPDATE and change.touches("spec.template"))


def _control_plane_restarts(change: Change) -> bool:
    return change.op is Op.UPDATE and change.namespace == LINKERD and restarts(change)


def control_plane_restarts(change: Change) -> Answer:
    """Pods of the control plane are made anew, and others answer meanwhile."""
    return _control_plane_restarts(change) and _others_answer(change)


def control_plane_restarts_alone(change: Change) -> Answer:
    """Pods of the control plane are made anew, and nobody need be left to answer meanwhile."""
    return _control_plane_restarts(change) and not _others_answer(change)


def _others_answer(change: Change) -> bool:
    """True when a rollout leaves a pod of the workload running, by its own strategy."""
    replicas = both(change, "spec", "replicas")[1]
    strategy = mapping(both(change, "spec", "strategy")[1])
    if not isinstance(replicas, int) or strategy.get("type") == "Recreate":
        return False
    # A quarter is the API's default, rounded down (apps/v1 RollingUpdateDeployment).
    away = str(mapping(strategy.get("rollingUpdate")).get("maxUnavailable", "25%"))
    number = away.removesuffix("%")
    if not number.isdigit():
        return False
    most = replicas * int(number) // 100 if away.endswith("%") else int(number)
    return replicas >= 2 and most < replicas


def extension_restarts(change: Change) -> Answer:
    """Pods of an extension or operator are made anew."""
    return change.op is Op.UPDATE and change.namespace != LINKERD and restarts(change)


def service_changes(change: Change) -> Answer:
    """Where calls to the control plane end up changes."""
    return (
        change.op is Op.UPDATE
        and (change.kind, change.namespace) == ("Service", LINKERD)
        and change.touches("spec")
    )


def fewer_replicas(change: Change) -> Answer:
    """Fewer pods answer than before, too few to lose one."""
    return _fewer(change) if not _enough(change) else False


def spare_replicas(change: Change) -> Answer:
    """Fewer pods answer than before, and enough to lose one."""
    return _fewer(change) if _enough(change) else False


def more_replicas(change: Change) -> Answer:
    """More pods answer than before; those that are there stay."""
    if change.kind not in WORKLOADS or change.op is not Op.UPDATE or not is_platform(change):
        return False
    before, after = both(change, "spec", "replicas")
    more = isinstance(before, int) and isinstance(after, int) and after > before
    return more and f"{before} to {after}"


def _enough(change: Change) -> bool:
    """True when a pod may be lost during a rollout: three for the control plane, else two."""
    if change.kind not in WORKLOADS:
        return False
    left = both(change, "spec", "replicas")[1]
    return isinstance(left, int) and left >= (3 if change.namespace == LINKERD else 2)


def _fewer(change: Change) -> Answer:
    if change.kind not in WORKLOADS or not is_platform(change):
        return False
    found = changed(change, "spec", "replicas")
    if not found:
        return False
    before, after = (1 if side is None else side for side in found)
    if not isinstance(before, int) or not isinstance(after, int):
        return f"{told(before)} to {told(after)}"
    return after < before and f"{before} to {after}"


def no_replicas(change: Change) -> Answer:
    """No pod is left."""
    return bool(_fewer(change)) and both(change, "spec", "replicas")[1] == 0


def budget_loosens(change: Change) -> Answer:
    """More pods than before may be down at once."""
    if change.kind != "PodDisruptionBudget" or not is_platform(change):
        return False
    if goes(change):
        return "no budget"
    most, least = changed(change, "spec", "maxUnavailable"), changed(change, "spec", "minAvailable")
    moves = []
    if most and _more(*most):
        moves.append(f"maxUnavailable {told(most[0])} to {told(most[1])}")
    if least and _more(least[1], least[0]):
        moves.append(f"minAvailable {told(least[0])} to {told(least[1])}")
    return "; ".join(moves)


def _more(before: Any, after: Any) -> bool:
    """True unless the second is known to be no higher than the first; None is none."""
    old, new = (str(0 if side is None else side) for side in (before, after))
    if old.endswith("%") == new.endswith("%"):
        old, new = old.rstrip("%"), new.rstrip("%")
        if old.isdigit() and new.isdigit():
            return int(new) > int(old)
    return True


def spread_goes(change: Change) -> Answer:
    """Pods need no longer be on different nodes or zones."""
    if change.kind not in WORKLOADS or not is_platform(change):
        return False
    return any(
        found is not None and bool(found[0]) and not found[1]
        for found in (
            changed(change, "spec", "template", "spec", "affinity", "podAntiAffinity"),
            changed(change, "spec", "template", "spec", "topologySpreadConstraints"),
        )
    )


def proxy_version(change: Change) -> Answer:
    """New pods get another proxy, old ones keep theirs."""
    return "; ".join(shift(field) for field in settings_below(change, *VERSION_SETTINGS))


def mesh_network(change: Change) -> Answer:
    """Which traffic the proxies take, and what they take for the cluster's own, changes."""
    return "; ".join(shift(field) for field in settings_below(change, *NETWORK_SETTINGS)[:4])


def proxy_settings(change: Change) -> Answer:
    """New pods get other settings, old ones keep theirs."""
    told_elsewhere = settings_below(change, *VERSION_SETTINGS, *NETWORK_SETTINGS)
    found = [field for field in settings_below(change, "proxy") if field not in told_elsewhere]
    return _shifts(found)


def mesh_config(change: Change) -> Answer:
    """Any other value of the control plane's chart."""
    told_elsewhere = settings_below(
        change, "proxy", *VERSION_SETTINGS, *NETWORK_SETTINGS, *_OTHER_RULES, *_HEARTBEAT_SETTINGS
    )
    return _shifts([field for field in mesh_settings(change) if field not in told_elsewhere])


def heartbeat_settings(change: Change) -> Answer:
    """Only the schedule of Linkerd's version check changes."""
    every = mesh_settings(change)
    only_data = all(field.path == "data.values" for field in change.fields)
    return (
        bool(every) and only_data and every == tuple(settings_below(change, *_HEARTBEAT_SETTINGS))
    )


def _shifts(fields: list[FieldChange]) -> str:
    """The first of them, with their values where these are short."""

    def plain(field: FieldChange) -> str:
        return field.path if isinstance(field.before or field.after, dict | list) else shift(field)

    return listed(fields, _SHIFTS, plain, "; ")


def release_changes(change: Change) -> Answer:
    """A Helm release is upgraded, and nothing shows which objects change."""
    return change.op is Op.UPDATE and change.type == RELEASE


def provider_version(step: str) -> Callable[[Change], Answer]:
    """A provider is of another version: a `major`, `minor` or `patch` step."""

    def found(change: Change) -> Answer:
        moved = changed(change, "version") if change.type.startswith(PROVIDER) else None
        if not moved or versions.step(moved[0], moved[1]) != step:
            return False
        return f"{told(moved[0])} to {told(moved[1])}"

    return found


def renamed(change: Change) -> Answer:
    """Known by an alias: another name or parent, and nothing else that changes."""
    return change.op is Op.UPDATE and [field.path for field in change.fields] == [URN]


def protection_set(change: Change) -> Answer:
    """It is protected from now on, or kept when it goes; nothing else changes."""
    return (
        change.op is Op.UPDATE
        and all(
            field.path in ("protect", "retainOnDelete") and field.after is True
            for field in change.fields
        )
        and bool(change.fields)
    )


def protected_goes(change: Change) -> Answer:
    """What must not go goes."""
    if not change.protected or not goes(change):
        return False
    left = change.op is Op.DELETE and change.retained
    return "only removed from the state" if left else True


def protected_changes(change: Change) -> Answer:
    """What is protected changes in more than what only tells."""
    if not change.protected or change.op is not Op.UPDATE:
        return False
    return not (
        label_changes.only_labels(change) or renamed(change) or trust.mount_lifetimes(change)
    )
