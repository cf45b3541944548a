"""From a stack's config to the arguments of the routing of alerts."""

from __future__ import annotations

from typing import Protocol

from components.alert_routing.component import FOLDER, AlertRoutingArgs
from components.alert_routing.routes.model import (
    HeartbeatArgs,
    ReceiverArgs,
    RouteArgs,
    RoutingArgs,
)
from components.alert_routing.section import AlertRoute, Heartbeat, Receiver, RoutingSection
from components.alerts.groups.model import duration
from components.external_secrets import HasExternalSecrets
from components.observability import HasObservability
from components.trust import HasTrust

# What the key of a credential is called where the stack file does not say.
KEYS = {"slack": "url", "splunk-on-call": "api_key"}


class _Config(HasObservability, HasExternalSecrets, HasTrust, Protocol):
    """The sections that the routing is made from."""


def arguments(config: _Config) -> AlertRoutingArgs | None:
    """Arguments of `AlertRouting`; None where it is off."""
    section = config.observability.routing
    if section.form == "off":
        return None
    return AlertRoutingArgs(
        form=section.form,
        namespace=section.namespace,
        labels=section.labels,
        credentials_folder=section.credentials_folder or FOLDER,
        refresh_interval=config.external_secrets.refresh_interval.go,
        routing=RoutingArgs(
            receivers=tuple(_receiver(each) for each in section.receivers),
            routes=_routes(section),
            unmatched=section.unmatched,
            heartbeat=_heartbeat(section.heartbeat),
            group_by=section.group_by,
            group_wait=duration(section.group_wait.seconds),
            group_interval=duration(section.group_interval.seconds),
            repeat_interval=duration(section.repeat_interval.seconds),
            signing=config.trust.signing,
        ),
    )


def _receiver(section: Receiver) -> ReceiverArgs:
    # Alertmanager puts key and routing key right behind it.
    url = f"{section.api_url.rstrip('/')}/" if section.api_url else ""
    return ReceiverArgs(
        name=section.name,
        type=section.type,
        vault_path=section.vault_path,
        vault_key=section.vault_key or KEYS[section.type],
        channel=section.channel or "",
        routing_key=section.routing_key or "",
        api_url=url,
    )


def _routes(section: RoutingSection) -> tuple[RouteArgs, ...]:
    return tuple(_route(each) for each in section.routes) or _default(section.receivers)


def _default(receivers: tuple[Receiver, ...]) -> tuple[RouteArgs, ...]:
    """Whoever is on call hears of what is critical, a channel of warnings too."""
    every = tuple(each.name for each in receivers)
    channels = tuple(each.name for each in receivers if each.type == "slack")
    critical = RouteArgs(severity="critical", receivers=every)
    return (critical, *((RouteArgs(severity="warning", receivers=channels),) if channels else ()))


def _route(section: AlertRoute) -> RouteArgs:
    return RouteArgs(
        severity=section.severity,
        environments=section.environments,
        receivers=section.to,
        repeat_interval=duration(section.repeat_interval.seconds)
        if section.repeat_interval
        else "",
    )


def _heartbeat(section: Heartbeat | None) -> HeartbeatArgs | None:
    if section is None:
        return None
    return HeartbeatArgs(
        vault_path=section.vault_path,
        vault_key=section.vault_key,
        interval=section.interval.seconds,
    )
