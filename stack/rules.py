"""Rules between the keys of a stack file. Each gives every fault it finds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from stack.config import Cluster, StackConfig, Vault
from stack.faults import Fault
from stack.values import Duration

# cert-manager refuses less: https://cert-manager.io/docs/reference/api-docs/ CertificateSpec.
MIN_DURATION = Duration(3600)
MIN_RENEW_BEFORE = Duration(300)
# Linkerd 2.20 reads these: https://linkerd.io/2/features/gateway-api/
GATEWAY_API_SUPPORTED = ((1, 2, 1), (1, 5, 1))
HA_REPLICAS = 3


def check(config: StackConfig) -> list[Fault]:
    """All faults between the keys of `config`, in the order of the file."""
    rules = (_role, _trust, _issuer, _webhooks, _authorities, _linkerd, _gateway_api, _extensions)
    return [fault for rule in rules for fault in rule(config)]


def _role(config: StackConfig) -> Iterator[Fault]:
    if config.role == "owner" and config.cluster:
        yield Fault(
            ("cluster",), "a stack with role 'owner' has no cluster: remove it, or use 'standalone'"
        )
    if config.role != "owner" and not config.cluster:
        yield Fault(("cluster",), f"missing: role {config.role!r} needs a cluster")
    if config.sandbox.open_webhooks and config.role != "standalone":
        yield Fault(
            ("sandbox", "openWebhooks"),
            "only for role 'standalone': a real webhook must be answered",
        )
    for index, network in enumerate(config.cluster.networks if config.cluster else ()):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield Fault(("cluster", "networks", index), f"{error}: write it like 10.0.0.0/8")


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
        )
    if config.vault.pki_mount == config.vault.kv_mount:
        yield Fault(("vault", "kvMount"), "is the PKI engine's mount too: give each its own")


def _issuer(config: StackConfig) -> Iterator[Fault]:
    issuer = config.trust.issuer
    path = ("trust", "issuer")
    yield from _renewal((*path, "duration"), issuer.duration, issuer.renew_before)
    if issuer.renew_before <= issuer.leaf_lifetime + issuer.clock_skew:
        yield Fault(
            (*path, "renewBefore"),
            f"{issuer.renew_before} must be longer than a leaf's lifetime with clock skew "
            f"({issuer.leaf_lifetime + issuer.clock_skew}), else leaves are cut short",
        )
    if issuer.leaf_lifetime >= issuer.duration:
        yield Fault(
            (*path, "leafLifetime"),
            f"{issuer.leaf_lifetime} must be shorter than the issuer's duration {issuer.duration}",
        )
    for index, generation in enumerate(config.trust.generations):
        if generation.lifetime <= issuer.duration:
            yield Fault(
                ("trust", "generations", index, "lifetime"),
                f"{generation.lifetime} must be longer than the issuer it signs "
                f"({issuer.duration})",
            )


def _webhooks(config: StackConfig) -> Iterator[Fault]:
    webhooks = config.trust.webhooks
    path = ("trust", "webhooks")
    yield from _renewal((*path, "caDuration"), webhooks.ca_duration, webhooks.ca_renew_before)
    yield from _renewal((*path, "duration"), webhooks.duration, webhooks.renew_before)
    if webhooks.duration > webhooks.ca_renew_before:
        yield Fault(
            (*path, "duration"),
            f"{webhooks.duration} must not be longer than caRenewBefore "
            f"({webhooks.ca_renew_before}), else a certificate outlives its CA",
        )


def _renewal(path: tuple[str, ...], duration: Duration, before: Duration) -> Iterator[Fault]:
    """`path` is that of the duration; its renewal key is called alike."""
    renew_path = (*path[:-1], "caRenewBefore" if path[-1] == "caDuration" else "renewBefore")
    if duration < MIN_DURATION:
        yield Fault(path, f"{duration} is below cert-manager's least duration of {MIN_DURATION}")
    if before < MIN_RENEW_BEFORE:
        yield Fault(renew_path, f"{before} is below cert-manager's least of {MIN_RENEW_BEFORE}")
    if before >= duration:
        yield Fault(renew_path, f"{before} must be shorter than {path[-1]} {duration}")


def _authorities(config: StackConfig) -> Iterator[Fault]:
    for name, section in (("cluster", config.cluster), ("vault", config.vault)):
        if section is not None:
            yield from _authority(name, section)


def _authority(name: str, section: Cluster | Vault) -> Iterator[Fault]:
    if section.ca_pem is not None and section.ca_file is not None:
        yield Fault((name, "caFile"), "give caFile or caPem, not both")
    if section.ca_pem is None and section.ca_file is None and isinstance(section, Cluster):
        yield Fault((name, "caFile"), "missing: Vault needs the API server's CA, caFile or caPem")
    if section.ca_pem is not None:
        if "PRIVATE KEY" in section.ca_pem:
            yield Fault((name, "caPem"), "holds a private key: give the certificate alone")
        elif "-----BEGIN CERTIFICATE-----" not in section.ca_pem:
            yield Fault((name, "caPem"), "is no PEM certificate (-----BEGIN CERTIFICATE-----)")


def _linkerd(config: StackConfig) -> Iterator[Fault]:
    if config.linkerd.ha and config.linkerd.replicas < HA_REPLICAS:
        yield Fault(
            ("linkerd", "replicas"),
            f"{config.linkerd.replicas} is under {HA_REPLICAS}, the least for HA: "
            f"write {HA_REPLICAS}, or ha: false",
        )


def _gateway_api(config: StackConfig) -> Iterator[Fault]:
    text = config.gateway_api.version
    low, high = (".".join(map(str, v)) for v in GATEWAY_API_SUPPORTED)
    parts = text.split(".")
    version = tuple(int(p) for p in parts) if all(p.isdecimal() for p in parts) else ()
    if len(version) != 3 or not GATEWAY_API_SUPPORTED[0] <= version <= GATEWAY_API_SUPPORTED[1]:
        yield Fault(
            ("gatewayApi", "version"), f"{text!r} is not one that Linkerd reads: {low} to {high}"
        )


def _extensions(config: StackConfig) -> Iterator[Fault]:
    url = config.viz.prometheus_url
    if url is not None and not url.startswith(("http://", "https://")):
        yield Fault(("viz", "prometheusUrl"), f"{url!r} is no address: write http://host:9090")
    credentials = config.buoyant_cloud.credentials
    given = {"clientId": credentials.client_id, "clientSecret": credentials.client_secret}
    for key, value in given.items():
        path = ("buoyantCloud", "credentials", key)
        if credentials.source == "vault" and value is not None:
            yield Fault(path, "is for source 'config': remove it, the credentials are in Vault")
        if credentials.source == "config" and value is None and config.buoyant_cloud.enabled:
            yield Fault(path, "missing: source 'config' needs it")
