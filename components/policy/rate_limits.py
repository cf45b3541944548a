"""Rules of `rateLimit` at a port: no limit that Linkerd refuses, or takes and does not apply."""

from __future__ import annotations

from collections.abc import Iterator

from components.policy import look_up
from components.policy.look_up import HasPolicies
from components.policy.section import RateLimit, ServicePort
from schema.faults import Fault
from schema.yaml_file import Path_

# Their Servers have none: linkerd2 policy-controller/grpc/src/inbound.rs, `to_server`.
_WITHOUT_LIMITS = ("opaque", "TLS", "gRPC")


def check(config: HasPolicies, path: Path_, namespace: str, port: ServicePort) -> Iterator[Fault]:
    """The faults of the rate limit of a port."""
    if port.rate_limit is None:
        return
    here = (*path, "rateLimit")
    if port.protocol in _WITHOUT_LIMITS:
        hint = "write HTTP/2" if port.protocol == "gRPC" else "remove it"
        yield Fault(
            here,
            f"Linkerd limits no port of protocol {port.protocol!r}: {hint}",
            looks_at=((*path, "protocol"),),
        )
    yield from _limit(config, here, namespace, port.rate_limit)


def _limit(config: HasPolicies, path: Path_, namespace: str, limit: RateLimit) -> Iterator[Fault]:
    if limit.total is None and limit.per_client is None and not limit.overrides:
        yield Fault(path, "limits nothing: write total, perClient or overrides")
    rates: dict[Path_, int] = {("perClient",): limit.per_client or 0}
    rates |= {("overrides", at, "rate"): each.rate for at, each in enumerate(limit.overrides)}
    for where, rate in rates.items():
        if limit.total is not None and rate > limit.total:
            yield Fault(
                (*path, *where),
                f"{rate} is more than total {limit.total}, and Linkerd refuses it: write at most "
                "that",
                looks_at=((*path, "total"),),
            )
    allowed = look_up.callers(namespace, config.policy.namespaces[namespace])
    seen: set[tuple[str, str]] = set()
    for at, override in enumerate(limit.overrides):
        here = (*path, "overrides", at, "serviceAccounts")
        if not override.service_accounts:
            yield Fault(here, "names no client: write service accounts, or remove the entry")
        for index, text in enumerate(override.service_accounts):
            account = look_up.account(text, namespace)
            if account in seen:
                yield Fault((*here, index), f"{text!r} has a rate already: keep one of the two")
            seen.add(account)
            if account[0] != namespace and (why := look_up.unmeshed(config, account[0])):
                yield Fault(
                    (*here, index),
                    f"pods of {account[0]!r} have no mesh identity ({why}), so this rate would be "
                    "nobody's: mesh the namespace first, or remove it",
                    looks_at=(("rollout",),),
                )
            if allowed and account[0] not in allowed:
                yield Fault(
                    (*here, index),
                    f"{account[0]!r} is not in allowFrom of {namespace!r}, so this rate would be "
                    "nobody's: add it there, or remove it",
                    looks_at=(("policy", "namespaces", namespace, "allowFrom"),),
                )
