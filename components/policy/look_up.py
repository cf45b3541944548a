"""Look-ups in the policy section, for the rules, the program and the bot alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.ingress.section import HasIngress
from components.linkerd import HasLinkerd, InboundPolicy
from components.policy.section import (
    Clients,
    HasPolicy,
    NamespacePolicySection,
    Service,
    ServicePort,
)
from components.rollout import plan


class HasPolicies(HasPolicy, HasLinkerd, HasIngress, plan.HasPlan, Protocol):
    """A config with the policies and what they are looked up with."""


def inbound_policy(
    config: HasPolicies, namespace: str, service: Service | None = None
) -> InboundPolicy:
    """The default policy that holds: of the service, else of its namespace, else of the cluster."""
    if service is not None and service.default_inbound_policy is not None:
        return service.default_inbound_policy
    policy = config.policy.namespaces.get(namespace)
    if policy is not None and policy.default_inbound_policy is not None:
        return policy.default_inbound_policy
    if policy is not None and policy.strict_mtls:
        return "all-authenticated"
    return config.linkerd.default_inbound_policy


def reached(config: HasPolicies, namespace: str) -> frozenset[str]:
    """The services that the ingress gateway is a client of, by itself (`ingress.managed`)."""
    section = config.ingress
    found = section.exposed() if section.managed else {}
    return frozenset(name for where, name in found if where == namespace)


def account(text: str, namespace: str) -> tuple[str, str]:
    """Namespace and name of a service account as the stack file writes it."""
    first, slash, second = text.partition("/")
    return (first, second) if slash else (namespace, first)


def client_namespaces(clients: Clients, namespace: str) -> list[str]:
    """The namespaces that an entry of `allow` names."""
    named = [account(each, namespace)[0] for each in clients.service_accounts]
    return [*named, *clients.namespaces]


def allow_lists(
    port: ServicePort,
) -> Iterator[tuple[tuple[str | int, ...], Clients]]:
    """Every entry of `allow` at a port, its routes' as well, with its path below the port."""
    for index, clients in enumerate(port.allow):
        yield ("allow", index), clients
    for route_index, route in enumerate(port.routes):
        for index, clients in enumerate(route.allow):
            yield ("routes", route_index, "allow", index), clients


def unmeshed(config: HasPolicies, namespace: str) -> str | None:
    """Why the pods of a namespace have no mesh identity; None where the plan gives them one."""
    if namespace == "linkerd" or namespace.startswith("linkerd-"):
        return None
    if why := plan.forbidden(config, namespace):
        return f"it {why}"
    for wave, planned in plan.named(config):
        if planned.name == namespace:
            if planned.opt_out:
                return f"it is an opt-out of wave {wave.name!r}"
            return f"its wave {wave.name!r} is off" if wave.state == "off" else None
    return "no wave of rollout has it"


def callers(namespace: str, policy: NamespacePolicySection) -> tuple[str, ...]:
    """The namespaces of `allowFrom`, with the namespace itself; none where all may call."""
    return tuple(dict.fromkeys((namespace, *policy.allow_from))) if policy.allow_from else ()
