"""What the proxies of a namespace take, against its ResourceQuotas and LimitRanges.

A dry run tells what refuses one pod. That the last pods of a wave find nothing left, and what it
would say where none can be made, is told by these rules:
https://kubernetes.io/docs/concepts/policy/resource-quotas/, .../policy/limit-range/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.clients.kubernetes import place
from bot.mesh.rollout.model import Refusal, RolloutState, Surroundings, Template
from components.linkerd import ha_values
from stack.config import StackConfig

_SUFFIX = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20}
_SUFFIX |= {"Gi": 2.0**30, "Ti": 2.0**40, "": 1.0}
Resources = Mapping[str, Mapping[str, str]]


def find(
    config: StackConfig,
    seen: RolloutState,
    around: Surroundings,
    name: str,
    open_: Sequence[Template],
) -> Iterator[Refusal]:
    """What speaks against the proxies of a namespace. open_: workloads of which no dry run told."""
    ranges = [each for each in around.limits if each["metadata"]["namespace"] == name]
    resources = _defaulted(proxy_resources(config, name), ranges)
    for each in ranges:
        for workload, what in _limits(each, resources, open_):
            yield _refusal(name, workload, f"LimitRange {place(dict(each))}", what)
    pods = [p for p in seen.pods if p.namespace == name and p.proxy is None and not p.host_network]
    templates = {str(each): each for each in around.templates}
    of_pods = [templates.get(f"{name}/{p.owner.kind.lower()}/{p.owner.name}") for p in pods]
    for each in around.quotas:
        if each["metadata"]["namespace"] != name:
            continue
        who = f"ResourceQuota {place(dict(each))}"
        hard, status = each["spec"].get("hard") or {}, each.get("status") or {}
        counted = sum(_counts(each["spec"], one) for one in of_pods)
        for key, most in hard.items():
            kind, _, what = key.rpartition(".")
            if what not in ("cpu", "memory") or kind not in ("", "requests", "limits"):
                continue
            more = resources[kind or "requests"].get(what)
            for one in open_ if not more else ():
                if _counts(each["spec"], one):
                    said = f"wants {key} of every container, the proxy has none"
                    yield _refusal(name, one.workload, who, said)
            used = amount((status.get("used") or {}).get(key, "0"))
            if more and counted and used + counted * amount(more) > amount(most):
                said = f"{key} {most} is not enough for a proxy with {more} in each"
                yield _refusal(name, f"{counted} pods", who, said)


def _refusal(name: str, workload: str, who: str, what: str) -> Refusal:
    fix = f"change it, or set workloads.namespaces.{name}.proxyResources"
    return Refusal(name, workload, who, what, fix)


def proxy_resources(config: StackConfig, namespace: str) -> dict[str, dict[str, str]]:
    """Requests and limits of a proxy in a namespace, as the stack file has them."""
    given: Mapping[str, Any] = ha_values()["proxy"]["resources"] if config.linkerd.ha else {}
    chart = config.charts.get("linkerd-control-plane")
    laid_over = ((chart.values.get("proxy") or {}).get("resources") or {}) if chart else {}
    own = config.workloads.namespaces.get(namespace)
    made: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for key, kind in (("requests", "request"), ("limits", "limit")):
        for name in ("cpu", "memory"):
            said = getattr(own.proxy_resources, f"{name}_{kind}") if own else None
            told = {**(given.get(name) or {}), **(laid_over.get(name) or {})}
            if value := said or told.get(kind):
                made[key][name] = str(value)
    return made


def _defaulted(resources: Resources, ranges: Sequence[Mapping[str, Any]]) -> Resources:
    """With what a LimitRange, and the API server, give to a container that says nothing."""
    # A container with a limit and no request asks for as much.
    limits, requests = resources["limits"], {**resources["limits"], **resources["requests"]}
    for item in _items(ranges, "Container"):
        default = {**(item.get("max") or {}), **(item.get("default") or {})}
        asked = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
        limits, requests = {**default, **limits}, {**asked, **requests}
    return {"limits": limits, "requests": requests}


def _items(ranges: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    for each in ranges:
        yield from (i for i in each["spec"].get("limits") or () if i.get("type") == kind)


def _limits(
    each: Mapping[str, Any], resources: Resources, templates: Sequence[Template]
) -> Iterator[tuple[str, str]]:
    limits, requests = resources["limits"], resources["requests"]
    for item in _items([each], "Container"):
        for one in templates:
            for kind, most in (item.get("max") or {}).items():
                if amount(limits.get(kind, "0")) > amount(most):
                    said = f"allows {kind} {most} per container, the proxy has {limits[kind]}"
                    yield one.workload, said
            for kind, least in (item.get("min") or {}).items():
                if kind in requests and amount(requests[kind]) < amount(least):
                    said = f"wants {kind} {least} per container, the proxy has {requests[kind]}"
                    yield one.workload, said
            for kind, ratio in (item.get("maxLimitRequestRatio") or {}).items():
                limit, request = limits.get(kind), requests.get(kind)
                if not limit:
                    yield one.workload, f"wants a limit of {kind}, the proxy has none"
                elif amount(limit) > amount(ratio) * amount(request or "0"):
                    said = f"allows {ratio} times the request of {kind}, the proxy has {request} "
                    yield one.workload, f"{said}and {limit}"
    for item in _items([each], "Pod"):
        for one in templates:
            for kind, most in (item.get("max") or {}).items():
                total = amount(limits.get(kind, "0")) + sum(
                    amount(((c.get("resources") or {}).get("limits") or {}).get(kind, "0"))
                    for c in one.spec.get("containers") or ()
                )
                if total > amount(most):
                    yield one.workload, f"allows {kind} {most} per pod, with the proxy it is more"


def _counts(quota: Mapping[str, Any], one: Template | None) -> bool:
    """Whether a quota counts the pods of a template, by its scopes; the proxy asks for resources.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes
    """
    spec: Mapping[str, Any] = one.spec if one else {}
    ends, priority = "activeDeadlineSeconds" in spec, spec.get("priorityClassName")
    rows = [{"scopeName": each, "operator": "Exists"} for each in quota.get("scopes") or ()]
    rows += (quota.get("scopeSelector") or {}).get("matchExpressions") or ()
    for row in rows:
        scope, operator = row["scopeName"], row.get("operator", "Exists")
        values = row.get("values") or ()
        fits = {
            "Terminating": ends,
            "NotTerminating": not ends,
            "BestEffort": False,
            "NotBestEffort": True,
            "PriorityClass": {
                "Exists": priority is not None,
                "DoesNotExist": priority is None,
                "In": priority in values,
                "NotIn": priority not in values,
            }.get(operator, True),
        }.get(scope, False)
        if not fits:
            return False
    return True


def amount(text: object) -> float:
    """A Kubernetes quantity as a number; 0 where it is none."""
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([a-zA-Z]*)", str(text))
    return float(match[1]) * _SUFFIX.get(match[2], 0.0) if match else 0.0
