"""What the policies of a stack file do to a call that was seen."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from bot.mesh.authorization.model import ADMIN_PORT, Call, RunningNamespace, ServingWorkload
from components.linkerd import InboundPolicy
from components.policy import look_up as policy
from components.policy.section import Clients, Service, ServicePort
from stack.config import StackConfig

Outcome = Literal["allowed", "denied", "unknown"]
_OPEN = ("all-unauthenticated", "cluster-unauthenticated", "audit")
_WITHOUT_ROUTES = ("", "default")


@dataclass(frozen=True)
class PolicyVerdict:
    """What happens to a call, and why; `unknown` where the metrics cannot tell."""

    call: Call
    outcome: Outcome
    why: str

    @property
    def breaks(self) -> bool:
        """True for a client that gets in today, and would not."""
        return self.outcome == "denied" and self.call.outcome == "allow"


def by_client(verdicts: Iterable[PolicyVerdict]) -> list[PolicyVerdict]:
    """One verdict per client, port and reason, whatever let its calls in and by which route."""
    counts: dict[PolicyVerdict, float] = {}
    for each in verdicts:
        same = PolicyVerdict(replace(each.call, authorization="", route=""), each.outcome, each.why)
        counts[same] = counts.get(same, 0) + each.call.count
    return [
        PolicyVerdict(replace(each.call, count=count), each.outcome, each.why)
        for each, count in counts.items()
    ]


def account_of(config: StackConfig, identity: str) -> tuple[str, str] | None:
    """Namespace and name of the service account of an identity; None for one of another mesh.

    Follows linkerd2 policy-controller/k8s/index/src/cluster_info.rs.
    """
    ending = f".serviceaccount.identity.linkerd.{config.trust.domain}"
    if not identity.endswith(ending):
        return None
    # The name of an account may have dots, that of a namespace has none.
    name, dot, namespace = identity.removesuffix(ending).rpartition(".")
    return (namespace, name) if dot else None


def port_policy(
    config: StackConfig, namespace: str, workload: ServingWorkload, number: int
) -> tuple[Service, ServicePort] | None:
    """The service policy that has a port of a workload; None where no Server is made for it."""
    section = config.policy.namespaces.get(namespace)
    for service in section.services if section else ():
        if workload.selected(service.selector):
            for port in service.ports:
                if workload.number(port.port) == number:
                    return service, port
    return None


def judge(
    config: StackConfig,
    running: RunningNamespace,
    calls: Iterable[Call],
    assumed: InboundPolicy | None = None,
) -> list[PolicyVerdict]:
    """A verdict for each call.

    assumed: a default inbound policy that is taken for every port of the namespace.
    """
    return [PolicyVerdict(call, *_judged(config, running, call, assumed)) for call in calls]


def _judged(
    config: StackConfig, running: RunningNamespace, call: Call, assumed: InboundPolicy | None
) -> tuple[Outcome, str]:
    workload = running.workload(*call.workload)
    if call.port == ADMIN_PORT:
        return _admin(config, call, assumed)
    if workload is None:
        kind, name = call.workload
        named = f"{kind}/{name}" if name else "a pod without a workload"
        return "unknown", f"{named} no longer runs: nobody knows which Server it would have"
    found = port_policy(config, call.namespace, workload, call.port)
    service = found[0] if found else None
    inbound = assumed or policy.inbound_policy(config, call.namespace, service)
    if inbound in _OPEN:
        return "allowed", f"default inbound policy {inbound} lets everybody in"
    if inbound != "deny" and call.client:
        return "allowed", f"default inbound policy {inbound} lets every meshed client in"
    if found is None:
        if call.probe:
            return "allowed", "Linkerd allows HTTP probes of a port without a Server"
        return (
            "denied",
            f"no service policy has this port, and default inbound policy {inbound} denies it",
        )
    return _by_rules(config, call, *found)


def _admin(config: StackConfig, call: Call, assumed: InboundPolicy | None) -> tuple[Outcome, str]:
    prometheus = config.policy.prometheus
    inbound = assumed or policy.inbound_policy(config, call.namespace)
    wanted = policy.account(prometheus.service_account, "")
    if call.probe or inbound in _OPEN or (inbound != "deny" and call.client):
        return "allowed", f"default inbound policy {inbound}"
    if assumed is None and call.namespace not in config.policy.namespaces:
        return (
            "denied",
            f"default inbound policy {inbound} denies the proxies' metrics: add a policy",
        )
    if prometheus.networks or not call.client:
        return "unknown", "a probe, or a Prometheus without mTLS: see policy.prometheus.networks"
    if account_of(config, call.client) == wanted:
        return "allowed", "policy.prometheus"
    return "denied", f"only {prometheus.service_account} reads the proxies' metrics"


def _by_rules(
    config: StackConfig, call: Call, service: Service, port: ServicePort
) -> tuple[Outcome, str]:
    if call.probe:
        return "allowed", "a probe; its path is compared with `probes`"
    section = config.policy.namespaces[call.namespace]
    lists = list(port.allow)
    if not port.allow and not port.api_server and section.allow_from:
        lists.append(Clients(namespaces=policy.callers(call.namespace, section)))
    if any(_lets_in(config, call, clients) for clients in lists):
        # What no route of the port has: components/policy/service_policy.py.
        rest = (*_WITHOUT_ROUTES, f"{service.name}-{port.port}-rest")
        if not port.routes or call.route in rest:
            return "allowed", "a rule of the port"
        return "unknown", "a rule of the port lets it in; a route that it calls may not"
    if any(_lets_in(config, call, each) for route in port.routes for each in route.allow):
        return "unknown", "a rule of a route lets it in, and the metrics have no path"
    if port.metrics and _is_prometheus(config, call):
        return "allowed", "policy.prometheus, at the path of the metrics"
    if not call.client:
        return _unnamed(config, port, lists)
    return "denied", "no rule names it"


def _unnamed(
    config: StackConfig, port: ServicePort, lists: Iterable[Clients]
) -> tuple[Outcome, str]:
    """A client without an identity, of which the metrics do not have the address either."""
    if port.probes:
        return "unknown", "a probe by gRPC, or a client without mTLS that no rule names"
    if port.api_server:
        return "allowed", "a webhook, which the API server calls"
    if port.metrics and config.policy.prometheus.networks:
        return "unknown", "lies in policy.prometheus.networks, or not: metrics have no address"
    if any(each.networks and not _identities(each) for each in lists):
        return "unknown", "lies in the networks of a rule, or not: the metrics have no address"
    return "denied", "it has no mesh identity, and no rule allows its network"


def _identities(clients: Clients) -> bool:
    return bool(clients.service_accounts or clients.namespaces or clients.identities)


def _is_prometheus(config: StackConfig, call: Call) -> bool:
    wanted = policy.account(config.policy.prometheus.service_account, "")
    return bool(call.client) and account_of(config, call.client) == wanted


def _lets_in(config: StackConfig, call: Call, clients: Clients) -> bool:
    """True where an entry of `allow` names the identity; one for networks alone names nobody."""
    if not call.client:
        return False
    account = account_of(config, call.client)
    named = [policy.account(each, call.namespace) for each in clients.service_accounts]
    if account is not None and (account in named or account[0] in clients.namespaces):
        return True
    return any(fnmatch.fnmatchcase(call.client, each) for each in clients.identities)
