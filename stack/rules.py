"""Rules between the keys of a stack file. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from schema.certificates import certificate_fault
from schema.faults import Fault
from schema.values import shown
from stack import (
    rules_egress,
    rules_observability,
    rules_policy,
    rules_rollout,
    rules_trust,
)
from stack.config import Cluster, StackConfig, Vault
from stack.rules_policy_names import check as names_of_policies

# Linkerd 2.20 reads these: https://linkerd.io/2/features/gateway-api/
GATEWAY_API_SUPPORTED = ((1, 2, 1), (1, 5, 1))
HA_REPLICAS = 3
# The rules of the sections about workloads, each in a file of its own.
_MESH = (rules_rollout.check, rules_policy.check, rules_egress.check, rules_observability.check)


def check(config: StackConfig) -> list[Fault]:
    """All faults between the keys of `config`, in the order of the file."""
    rules = (_role, rules_trust.check, _authorities, _linkerd, _gateway_api, _extensions)
    found = [fault for rule in (*rules, *_MESH) for fault in rule(config)]
    # Names are looked at in what can be made at all.
    return found or list(names_of_policies(config))


def _role(config: StackConfig) -> Iterator[Fault]:
    if config.role == "owner" and config.cluster:
        yield Fault(
            ("cluster",),
            "a stack with role 'owner' has no cluster: remove it, or use 'standalone'",
            looks_at=(("role",),),
        )
    if config.role != "owner" and not config.cluster:
        yield Fault(
            ("cluster",), f"missing: role {config.role!r} needs a cluster", looks_at=(("role",),)
        )
    if config.role != "standalone" and not _embedded(config):
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
    if config.cluster:
        yield from _networks(config.cluster.networks)
        if config.cluster.name == "anchors":
            message = "is the name of Vault's policy for all clusters: take another"
            yield Fault(("cluster", "name"), f"'anchors' {message}")


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


def _networks(networks: Sequence[str]) -> Iterator[Fault]:
    path = ("cluster", "networks")
    if not networks:
        yield Fault(path, "lists none: every pod would be outside the cluster")
    for index, text in enumerate(networks):
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            yield Fault((*path, index), f"{shown(text)} is no network: write it like 10.0.0.0/8")
        else:
            # Linkerd splits at the slash, and reads no other notation.
            if str(network) != text:
                yield Fault((*path, index), f"{text} is short: write {str(network)!r}")


def _authorities(config: StackConfig) -> Iterator[Fault]:
    for name, section in (("cluster", config.cluster), ("vault", config.vault)):
        if section is not None:
            yield from _authority(name, section)


def _authority(name: str, section: Cluster | Vault) -> Iterator[Fault]:
    if section.ca_pem is not None and section.ca_file is not None:
        yield Fault((name, "caFile"), "give caFile or caPem, not both", looks_at=((name, "caPem"),))
    if section.ca_pem is None and section.ca_file is None and isinstance(section, Cluster):
        message = "missing: Vault needs the API server's CA, caFile or caPem"
        yield Fault((name, "caFile"), message, looks_at=((name, "caPem"),))
    if section.ca_pem is not None and (wrong := certificate_fault(section.ca_pem)):
        yield Fault((name, "caPem"), wrong)


def _linkerd(config: StackConfig) -> Iterator[Fault]:
    if config.linkerd.ha and config.linkerd.replicas < HA_REPLICAS:
        yield Fault(
            ("linkerd", "replicas"),
            f"{config.linkerd.replicas} is under {HA_REPLICAS}, the least for HA: "
            f"write {HA_REPLICAS}, or ha: false",
            looks_at=(("linkerd", "ha"),),
        )


def _gateway_api(config: StackConfig) -> Iterator[Fault]:
    text = config.gateway_api.version
    low, high = (".".join(map(str, v)) for v in GATEWAY_API_SUPPORTED)
    known = re.fullmatch(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})", text)
    version = tuple(map(int, known.groups())) if known else ()
    if not GATEWAY_API_SUPPORTED[0] <= version <= GATEWAY_API_SUPPORTED[1]:
        yield Fault(
            ("gatewayApi", "version"),
            f"{shown(text)} is not one that Linkerd reads: {low} to {high}",
        )


def _extensions(config: StackConfig) -> Iterator[Fault]:
    credentials = config.buoyant_cloud.credentials
    given = {"clientId": credentials.client_id, "clientSecret": credentials.client_secret}
    source = (("buoyantCloud", "credentials", "source"), ("buoyantCloud", "enabled"))
    for key, value in given.items():
        path = ("buoyantCloud", "credentials", key)
        if credentials.source == "vault" and value is not None:
            yield Fault(
                path,
                "is for source 'config': remove it, the credentials are in Vault",
                looks_at=source,
            )
        if credentials.source == "config" and value is None and config.buoyant_cloud.enabled:
            yield Fault(path, "missing: source 'config' needs it", looks_at=source)
    path = ("buoyantCloud", "credentials", "vaultPath")
    if credentials.source == "vault":
        for kind, whose in (("anchors", "every cluster"), ("anchor-keys", "a signing cluster")):
            if f"{credentials.vault_path}/".startswith(f"{kind}/"):
                yield Fault(
                    path,
                    f"{whose} may read what is below {kind}/: take another path",
                )
