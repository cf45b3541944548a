"""Edits of the real production stack file, planned as `bot plan --base` plans them."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.changes.model import ChangeSet
from bot.plan import policy
from bot.plan.as_changes import changes_between
from bot.plan.base_snapshot import PlanSnapshot, snapshot
from bot.plan.model import plans
from schema.faults import PROJECT
from tests.unit.stack_files import REMOVE, REPO

Edit = Mapping[str, Any]
_PORT = {
    "port": 8080,
    "allow": [{"serviceAccounts": ["client"]}],
    "probes": ["/healthz"],
    "metrics": "/metrics",
}
# What production has besides: two meshed namespaces, policies, egress, alerts.
_MORE: dict[str, Any] = {
    "rollout": {"waves": [{"name": "first", "state": "on", "namespaces": ["shop", "pay"]}]},
    "workloads": {"namespaces": {"shop": {"proxyResources": {"cpuRequest": "100m"}}}},
    "policy": {
        "namespaces": {
            "shop": {
                "defaultInboundPolicy": "audit",
                "services": [{"name": "web", "selector": {"app": "web"}, "ports": [_PORT]}],
            }
        },
        "prometheus": {"networks": [{"cidr": "10.0.0.0/8"}]},
    },
    "egress": {"namespaces": {"shop": {"mode": "allow", "hosts": [{"host": "a.example.com"}]}}},
    "observability": {
        "alerts": {"form": "prometheus-rule", "runbooks": "https://runbooks.example.com"},
        "dashboards": {"enabled": True},
        "monitors": {"enabled": True},
    },
}
_DENYING = {"egress.namespaces.shop.mode": "deny"}


def edited(edit: Edit) -> dict[str, Any]:
    """The sections with these keys set; `REMOVE` takes one away."""
    text = (REPO / "Pulumi.production.yaml").read_text(encoding="utf-8")
    known = yaml.safe_load(text)["config"]
    made = {key.removeprefix(f"{PROJECT}:"): value for key, value in known.items()}
    made |= copy.deepcopy(_MORE)
    for path, value in edit.items():
        place: Any = made
        *keys, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for key in keys:
            place = place[key] if isinstance(place, list) else place.setdefault(key, {})
        if value is REMOVE:
            del place[last]
        else:
            place[last] = value
    return made


def changes(folder: Path, edit: Edit, before: Edit | None = None) -> ChangeSet:
    """What an edit changes, on top of another one; policies of the edited side included."""
    head = _planned(folder, json.dumps(edited({**(before or {}), **edit})))
    base = _planned(folder, json.dumps(edited(before or {})))
    return changes_between(base, head).model_copy(update={"violations": head.violations})


@functools.lru_cache(maxsize=16)
def _planned(folder: Path, sections: str) -> PlanSnapshot:
    file = folder / "Pulumi.production.yaml"
    config = {f"{PROJECT}:{key}": value for key, value in json.loads(sections).items()}
    file.write_text(json.dumps({"config": config}), encoding="utf-8")
    (plan,) = plans([file], REPO, confined=True)
    return snapshot(plan, file, policy.of_plan(plan, REPO))


# Edit, what it is made on top of, level. Nothing of these is in a chart: no helm is needed.
LEVELS: dict[str, tuple[Edit, Edit, str]] = {
    "refresh-interval": ({"externalSecrets.refreshInterval": "30m"}, {}, "low"),
    "alert-threshold": ({"observability.alerts.thresholds": {"denials": 5}}, {}, "low"),
    "alert-labels": ({"observability.alerts.labels": {"role": "other"}}, {}, "low"),
    "dashboard-folder": ({"observability.dashboards.folder": "Mesh"}, {}, "low"),
    "dashboards-off": ({"observability.dashboards.enabled": False}, {}, "low"),
    "scrape-interval": ({"observability.monitors.interval": "15s"}, {}, "low"),
    "one-more-egress-host-allowed": (
        {"egress.namespaces.shop.hosts": [{"host": "a.example.com"}, {"host": "b.example.com"}]},
        {},
        "low",
    ),
    "one-more-egress-host-denied": (
        {
            "egress.namespaces.shop.hosts": [
                {"host": "a.example.com"},
                {"host": "b.example.com", "port": 8443, "networks": ["203.0.113.0/24"]},
            ]
        },
        _DENYING,
        "low",
    ),
    "one-host-less": ({"egress.namespaces.shop.hosts": [{"host": "b.example.com"}]}, {}, "high"),
    "egress-to-deny": (_DENYING, {}, "critical"),
    "egress-to-allow": ({"egress.namespaces.shop.mode": "allow"}, _DENYING, "high"),
    "default-to-deny": ({"policy.namespaces.shop.defaultInboundPolicy": "deny"}, {}, "critical"),
    "service-to-deny": (
        {"policy.namespaces.shop.services.0.defaultInboundPolicy": "deny"},
        {},
        "critical",
    ),
    "one-more-client": (
        {
            "policy.namespaces.shop.services.0.ports.0.allow": [
                {"serviceAccounts": ["client"]},
                {"serviceAccounts": ["other"]},
            ]
        },
        {},
        "low",
    ),
    "another-client": (
        {"policy.namespaces.shop.services.0.ports.0.allow.0.serviceAccounts": ["other"]},
        {},
        "high",
    ),
    "probe-path": ({"policy.namespaces.shop.services.0.ports.0.probes": ["/live"]}, {}, "high"),
    "proxy-resources": (
        {"workloads.namespaces.shop.proxyResources.cpuRequest": "200m"},
        {},
        "medium",
    ),
    "access-log": ({"workloads.namespaces.shop.accessLog": "json"}, {}, "medium"),
    "skipped-ports": ({"workloads.namespaces.shop.skipInboundPorts": [9000]}, {}, "high"),
    "namespace-leaves": ({"rollout.waves.0.namespaces": ["shop"]}, {}, "high"),
    "anchor-generation": (
        {"trust.generations": [{"name": "anchor-2026"}, {"name": "anchor-2036"}]},
        {},
        "medium",
    ),
    "issuer-lives-longer": ({"trust.issuer.duration": "72h"}, {}, "medium"),
    "issuer-is-renewed-earlier": ({"trust.issuer.renewBefore": "30h"}, {}, "low"),
    "issuer-lives-shorter": ({"trust.issuer.duration": "40h"}, {}, "high"),
    "guard-enforces": ({"guards.optOut": "enforce"}, {"guards.optOut": "audit"}, "high"),
    "guard-audits": ({"guards.optOut": "audit"}, {}, "low"),
    "token-lifetime": ({"vault.tokenTtl": "20m"}, {}, "medium"),
    "vault-elsewhere": ({"vault.address": "https://other.example.com:8200"}, {}, "critical"),
}
# The same where the chart must be rendered to see it: tests/charts.
CHART_LEVELS: dict[str, tuple[Edit, Edit, str]] = {
    "log-level": ({"linkerd.logLevel": "debug"}, {}, "medium"),
    "more-replicas": ({"linkerd.replicas": 5}, {}, "medium"),
    "fewer-replicas": ({"linkerd.replicas": 3}, {"linkerd.replicas": 5}, "medium"),
    "ha-off": ({"linkerd.ha": False}, {}, "critical"),
    "heartbeat": ({"linkerd.heartbeat": True}, {}, "low"),
    "no-heartbeat": ({"linkerd.heartbeat": False}, {"linkerd.heartbeat": True}, "high"),
    "default-policy-to-deny": (
        {"linkerd.defaultInboundPolicy": "deny"},
        {"policy.namespaces.pay": {}},
        "critical",
    ),
    # A mandatory policy of production is broken, too.
    "failure-policy": ({"linkerd.webhookFailurePolicy": "Ignore"}, {}, "critical"),
    "viz-off": ({"viz.enabled": False}, {}, "critical"),
    "proxy-await": ({"linkerd.proxyAwait": False}, {}, "medium"),
}
