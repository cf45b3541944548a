"""Objects of policies that two keys of a stack file would make under one name.

The names are put together from names of services, ports, routes and clients, so two that differ
may read alike. One object would take the other's place in silence, and let its clients in or out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import HasCluster
from components.policy.look_up import HasPolicies
from schema.faults import Fault

Key = tuple[str, str]


class _Config(HasPolicies, HasCluster, Protocol):
    """The sections that the names come from."""


def check(config: _Config) -> Iterator[Fault]:
    """A fault for each object that is there already, at the port that would make it again."""
    if config.role == "owner" or not config.policy.namespaces:
        return
    # Only here: what makes objects takes longer to load than a command without policies may wait.
    from components.policy import arguments, namespace_policy, service_policy

    for args in arguments.namespaces(config):
        own = [
            *namespace_policy.authentications(args),
            *namespace_policy.admin_rules(args),
            namespace_policy.admin_server(args),
        ]
        made: dict[Key, str] = {(e["kind"], e["metadata"]["name"]): "the namespace" for e in own}
        section = config.policy.namespaces[args.namespace]
        places = {service.name: index for index, service in enumerate(section.services)}
        for service in arguments.services(config, args.namespace):
            for at, port in enumerate(service.ports):
                where = f"port {port.port} of {service.service!r}"
                objects = service_policy.rules(service, port)
                for each in (*objects, service_policy.port_server(service, port)):
                    key = each["kind"], each["metadata"]["name"]
                    if key in made:
                        yield Fault(
                            (
                                *("policy", "namespaces", args.namespace, "services"),
                                *(places[service.service], "ports", at),
                            ),
                            f"the {key[0]} {key[1]!r} would be made twice, here and by "
                            f"{made[key]}: give a route, the service or its port another name",
                        )
                    made.setdefault(key, where)
