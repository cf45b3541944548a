"""Rules between the keys of a stack file. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from stack import rules_egress, rules_observability, rules_policy, rules_rollout
from stack.certificates import certificate_fault
from stack.config import Cluster, StackConfig, Vault
from stack.config_trust import Webhooks
from stack.faults import Fault
from stack.rules_policy_names import check as names_of_policies
from stack.values import Duration, shown

# cert-manager refuses less: https://cert-manager.io/docs/reference/api-docs/ CertificateSpec.
MIN_DURATION = Duration(3600)
MIN_RENEW_BEFORE = Duration(300)
# Linkerd 2.20 reads these: https://linkerd.io/2/features/gateway-api/
GATEWAY_API_SUPPORTED = ((1, 2, 1), (1, 5, 1))
HA_REPLICAS = 3
# Vault cuts the tokens of an auth mount to this, without an error, unless the mount says more.
MAX_TOKEN_TTL = Duration(768 * 3600)
# The rules of the sections about workloads, each in a file of its own.
_MESH = (rules_rollout.check, rules_policy.check, rules_egress.check, rules_observability.check)
# With these a generation would be called like the Secret of another's key.
_ENDINGS = ("-key", "-origin")


def check(config: StackConfig) -> list[Fault]:
    """All faults between the keys of `config`, in the order of the file."""
    rules = (_role, _trust, _issuer, _webhooks, _authorities, _linkerd, _gateway_api, _extensions)
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
    if config.sandbox.open_webhooks and config.role != "standalone" and not _embedded(config):
        yield Fault(
            ("sandbox", "openWebhooks"),
            "only for role 'standalone', or where both the API server and Vault are on this "
            "machine (127.0.0.1): a real webhook must be answered",
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


def _trust(config: StackConfig) -> Iterator[Fault]:
    trust = config.trust
    names = [generation.name for generation in trust.generations]
    if not names:
        yield Fault(("trust", "generations"), "lists no trust anchor: name at least one generation")
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(("trust", "generations", index, "name"), f"{name!r} is listed twice")
    if names and trust.signing not in names:
        yield Fault(
            ("trust", "signing"),
            f"{trust.signing!r} is not one of the generations: name one of {', '.join(names)}",
            looks_at=(("trust", "generations"),),
        )
    if names and not trust.trusted:
        yield Fault(("trust", "generations"), "all are retired: at least one must be trusted")
    for index, generation in enumerate(trust.generations):
        path = ("trust", "generations", index)
        if generation.retired and generation.name == trust.signing:
            yield Fault(
                (*path, "retired"),
                f"{generation.name!r} signs the identity issuer: switch `signing` first",
            )
        made = generation.custody == "cluster" and generation.source == "generated"
        if made and config.role == "owner":
            yield Fault(
                (*path, "custody"),
                "is made by cert-manager, and a stack with role 'owner' has no cluster: "
                "use role 'standalone', or source: imported",
            )
        if generation.name.endswith(_ENDINGS):
            endings = " or ".join(repr(ending) for ending in _ENDINGS)
            yield Fault(
                (*path, "name"),
                f"{generation.name!r} ends in {endings}, as the Secrets of keys do: take another",
            )
    yield from _mounts(config.vault)
    if config.vault.create_auth_mount and config.vault.token_ttl > MAX_TOKEN_TTL:
        yield Fault(
            ("vault", "tokenTtl"),
            f"{config.vault.token_ttl} is more than Vault gives at this mount: "
            f"write at most {MAX_TOKEN_TTL}",
            looks_at=(("vault", "createAuthMount"),),
        )


# Vault keeps these for itself.
_RESERVED = frozenset({"auth", "cubbyhole", "identity", "sys"})


def _mounts(vault: Vault) -> Iterator[Fault]:
    mounts = {"pkiMount": vault.pki_mount, "kvMount": vault.kv_mount}
    for key, mount in mounts.items():
        if mount.split("/")[0] in _RESERVED:
            yield Fault(("vault", key), f"{mount!r} is Vault's own: take another path")
    pki, kv = (f"{mount}/" for mount in mounts.values())
    if pki.startswith(kv) or kv.startswith(pki):
        yield Fault(
            ("vault", "kvMount"),
            f"{vault.kv_mount!r} and pkiMount {vault.pki_mount!r} are one in the other: "
            "give each a path of its own",
            looks_at=(("vault", "pkiMount"),),
        )


def _issuer(config: StackConfig) -> Iterator[Fault]:
    issuer = config.trust.issuer
    path = ("trust", "issuer")
    yield from _renewal((*path, "duration"), issuer.duration, issuer.renew_before)
    if issuer.renew_before <= issuer.leaf_lifetime + issuer.clock_skew:
        yield Fault(
            (*path, "renewBefore"),
            f"{issuer.renew_before} must be longer than a leaf's lifetime with clock skew "
            f"({issuer.leaf_lifetime + issuer.clock_skew}), else leaves are cut short",
            looks_at=((*path, "leafLifetime"), (*path, "clockSkew")),
        )
    if issuer.leaf_lifetime >= issuer.duration:
        yield Fault(
            (*path, "leafLifetime"),
            f"{issuer.leaf_lifetime} must be shorter than the issuer's duration {issuer.duration}",
            looks_at=((*path, "duration"),),
        )
    for index, generation in enumerate(config.trust.generations):
        if generation.lifetime <= issuer.duration:
            yield Fault(
                ("trust", "generations", index, "lifetime"),
                f"{generation.lifetime} must be longer than the issuer it signs "
                f"({issuer.duration})",
                looks_at=((*path, "duration"),),
            )


def _webhooks(config: StackConfig) -> Iterator[Fault]:
    webhooks = config.trust.webhooks
    path = ("trust", "webhooks")
    yield from _renewal((*path, "caDuration"), webhooks.ca_duration, webhooks.ca_renew_before)
    yield from _reversed(path, webhooks)
    yield from _renewal((*path, "duration"), webhooks.duration, webhooks.renew_before)
    if webhooks.duration > webhooks.ca_renew_before:
        yield Fault(
            (*path, "duration"),
            f"{webhooks.duration} must not be longer than caRenewBefore "
            f"({webhooks.ca_renew_before}), else a certificate outlives its CA",
            looks_at=((*path, "caRenewBefore"),),
        )


def _reversed(path: tuple[str, ...], webhooks: Webhooks) -> Iterator[Fault]:
    """A lifetime taken for the time left: a CA of a year that is renewed in its second month."""
    duration, before = webhooks.ca_duration, webhooks.ca_renew_before
    if duration.seconds < 2 * before.seconds < 2 * duration.seconds:
        age = Duration(duration.seconds - before.seconds)
        yield Fault(
            (*path, "caRenewBefore"),
            f"{before} counts back from the end, so the CA would be renewed at {age} of "
            f"{duration}: write at most half of caDuration, such as {age}",
            looks_at=((*path, "caDuration"),),
        )


def _renewal(path: tuple[str, ...], duration: Duration, before: Duration) -> Iterator[Fault]:
    """`path` is that of the duration; its renewal key is called alike."""
    renew_path = (*path[:-1], "caRenewBefore" if path[-1] == "caDuration" else "renewBefore")
    if duration < MIN_DURATION:
        yield Fault(path, f"{duration} is below cert-manager's least duration of {MIN_DURATION}")
    if before < MIN_RENEW_BEFORE:
        yield Fault(renew_path, f"{before} is below cert-manager's least of {MIN_RENEW_BEFORE}")
    if before >= duration:
        message = f"{before} must be shorter than {path[-1]} {duration}"
        yield Fault(renew_path, message, looks_at=(path,))


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
                    f"{credentials.vault_path!r}: {whose} may read what is below {kind}/: "
                    "take another path",
                )
