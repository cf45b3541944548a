"""The alerts of the platform that fire, by the Prometheus that evaluates them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bot.clients.prometheus import FiringAlert
from bot.mesh.status.facts import Facts
from bot.mesh.status.model import CheckResult, Subject, fail, ok, skipped, warn
from bot.mesh.status.objects import some
from components.alerts import arguments as alerts
from components.alerts.component import groups, names

SUBJECT = Subject("alerts")
PAGE = "docs/components/alerts.md"


@SUBJECT.check("rules")
def rules(facts: Facts) -> CheckResult:
    """The rules are loaded: without them nothing can fire, which proves nothing."""
    section = facts.config.observability.alerts
    if section.form == "off":
        return skipped("observability.alerts.form is off")
    missing = ours(facts) - set(section.disabled) - facts.alerting.rules
    if missing:
        return warn(f"{len(missing)} alerts have no rule there: {some(missing)}", PAGE)
    without = f"; left out, for there is no {some(set(section.absent))}" if section.absent else ""
    return ok(f"{len(ours(facts) - set(section.disabled))} alerts have rules{without}")


@SUBJECT.check("firing")
def firing(facts: Facts) -> Iterator[CheckResult]:
    """No alert of ours fires for this cluster; one line for each name."""
    cluster = facts.config.cluster.name if facts.config.cluster else ""
    known = ours(facts)
    own = [
        each
        for each in facts.alerting.firing
        if each.labels.get("alertname") in known and each.labels.get("cluster", cluster) == cluster
    ]
    info = {each.labels["alertname"] for each in own if each.labels.get("severity") == "info"}
    loud: dict[tuple[str, str], list[FiringAlert]] = defaultdict(list)
    for each in own:
        if (severity := each.labels.get("severity", "")) != "info":
            loud[severity, each.labels["alertname"]].append(each)
    for (severity, name), same in sorted(loud.items()):
        make = fail if severity == "critical" else warn
        yield make(_told(name, same), same[0].annotations.get("runbook_url") or PAGE)
    if not loud:
        yield ok(f"none fires{f', but for information: {some(info)}' if info else ''}")


def ours(facts: Facts) -> set[str]:
    """The names of our alerts."""
    return names(groups(alerts.setting(facts.config)))


def _told(name: str, same: Sequence[FiringAlert]) -> str:
    """The alert, where it fires, and the summary of the first."""
    places = {each.labels["namespace"] for each in same if each.labels.get("namespace")}
    where = f" ({some(places)})" if places else ""
    times = f" {len(same)} times" if len(same) > 1 else ""
    annotations = same[0].annotations
    summary = annotations.get("summary") or annotations.get("description") or "no summary"
    return f"{name}{times}{where}: {' '.join(summary.split())}"
