"""From a stack's config to the arguments of `EgressGateway` and `EgressPartner`."""

from __future__ import annotations

from typing import Protocol

from components.egress.section import HasEgress
from components.egress_gateway.component import EgressGatewayArgs
from components.egress_gateway.egress_partner import EgressPartnerArgs
from components.external_secrets import HasExternalSecrets
from components.ingress.arguments import mirrored_envoy
from components.placement import HasPlacement, scheduled
from components.trust import HasTrust
from schema.values import Duration

_RECEIVED = Duration(60)


class _Config(HasEgress, HasExternalSecrets, HasPlacement, HasTrust, Protocol):
    """The sections that the gateway is made from."""


def arguments(config: _Config) -> EgressGatewayArgs | None:
    """Arguments of `EgressGateway`; None where it is off."""
    section = config.egress.gateway
    if not section.enabled:
        return None
    callers = {each for partner in section.partners for each in partner.allow}
    # Envoy's clock of an answer begins where the request ends: a long one must get there.
    longest = max((_RECEIVED, *(each.timeout for each in section.partners)))
    return EgressGatewayArgs(
        replicas=section.replicas,
        access_log=section.access_log,
        image=mirrored_envoy(config),
        pod=scheduled(config.placement),
        callers=tuple(_account(each) for each in sorted(callers)),
        received=longest.go,
        keys=section.keys,
    )


def partners(config: _Config) -> list[EgressPartnerArgs]:
    """Arguments of each `EgressPartner`, in the order of their names."""
    section = config.egress.gateway
    ending = f"serviceaccount.identity.linkerd.{config.trust.domain}"
    return [
        EgressPartnerArgs(
            partner=each,
            identity=section.identity if each.require.used else None,
            identities=tuple(
                f"{name}.{namespace}.{ending}" for namespace, name in map(_account, each.allow)
            ),
            refresh_interval=config.external_secrets.refresh_interval.go,
        )
        for each in sorted(section.partners if section.enabled else (), key=lambda each: each.name)
    ]


def _account(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    return namespace, name
