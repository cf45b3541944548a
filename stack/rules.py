"""Which rules a stack file is held to: a line per feature. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

import components.alert_routing.rules
import components.alerts.rules
import components.dashboards.rules
import components.egress.rules
import components.monitors.rules
import components.policy.names
import components.policy.rules
import components.rollout.rules
import components.tracing.rules
from components import (
    admission_guard,
    buoyant_cloud,
    cluster,
    gateway_api,
    linkerd,
    trust,
    vault,
)
from schema.faults import Fault
from stack.config import StackConfig

Rule = Callable[[StackConfig], Iterable[Fault]]


def _sandbox(config: StackConfig) -> Iterator[Fault]:
    """All faults of `sandbox`.

    - What `sandbox` allows is for role `standalone`, or an API server and a Vault on 127.0.0.1.
    """
    if config.role == "standalone" or _embedded(config):
        return
    used = {
        "openWebhooks": config.sandbox.open_webhooks,
        "linkerd": not config.sandbox.linkerd,
        "charts": bool(config.sandbox.charts),
    }
    for key in (key for key, is_used in used.items() if is_used):
        yield Fault(
            ("sandbox", key),
            "only for role 'standalone', or where both the API server and Vault are on this "
            "machine (127.0.0.1): it makes less than a mesh",
            looks_at=(("role",), ("cluster", "apiServer"), ("vault", "address")),
        )


def _embedded(config: StackConfig) -> bool:
    """True for a cluster of this machine: its API server and its Vault listen on loopback."""
    if config.cluster is None:
        return False
    return _on_loopback(config.cluster.api_server) and _on_loopback(config.vault.address)


def _on_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# In the order in which docs/config.md tells of them.
RULES: tuple[Rule, ...] = (
    cluster.check,
    vault.check,
    trust.check,
    linkerd.check,
    gateway_api.check,
    buoyant_cloud.check,
    components.rollout.rules.check,
    admission_guard.check,
    components.policy.rules.check,
    components.egress.rules.check,
    components.alerts.rules.check,
    components.monitors.rules.check,
    components.tracing.rules.check,
    components.dashboards.rules.check,
    components.alert_routing.rules.check,
    _sandbox,
)


def check(config: StackConfig) -> list[Fault]:
    """All faults between the keys of `config`."""
    found = [fault for rule in RULES for fault in rule(config)]
    # Names are looked at in what can be made at all.
    return found or list(components.policy.names.check(config))


def introduced(before: StackConfig, after: StackConfig) -> list[Fault]:
    """The faults that come with a change.

    A loaded config has been filled in, with certificates from their files, and is no longer what
    the rules are for; what they say of it before and after the change is not the change's.
    """
    known = check(before)
    return [fault for fault in check(after) if fault not in known]
