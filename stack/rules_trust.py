"""Rules between the keys about trust: generations, the issuer, webhooks, and Vault's mounts.

Which lifetimes fit into which: https://linkerd.io/2/tasks/automatically-rotating-control-plane-tls-credentials/
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from schema.faults import Fault
from schema.values import Duration
from stack.config import StackConfig, Vault
from components.trust import Webhooks

# cert-manager refuses less: https://cert-manager.io/docs/reference/api-docs/ CertificateSpec.
MIN_DURATION = Duration(3600)
MIN_RENEW_BEFORE = Duration(300)
# Vault cuts the tokens of an auth mount to this, without an error, unless the mount says more.
MAX_TOKEN_TTL = Duration(768 * 3600)
# Vault keeps these for itself.
_RESERVED = frozenset({"auth", "cubbyhole", "identity", "sys"})
# With these a generation would be called like the Secret of another's key.
_ENDINGS = ("-key", "-origin")


def check(config: StackConfig) -> Iterator[Fault]:
    """All faults between these keys, in the order of the file."""
    for rule in (_trust, _issuer, _webhooks):
        yield from rule(config)


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


def _mounts(vault: Vault) -> Iterator[Fault]:
    mounts = {
        "pkiMount": vault.pki_mount,
        "kvMount": vault.kv_mount,
        "transitMount": vault.transit_mount,
    }
    for key, mount in mounts.items():
        if mount.split("/")[0] in _RESERVED:
            yield Fault(("vault", key), f"{mount!r} is Vault's own: take another path")
    for (first, one), (second, other) in itertools.combinations(mounts.items(), 2):
        if f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"):
            yield Fault(
                ("vault", second),
                f"{other!r} and {first} {one!r} are one in the other: give each a path of its own",
                looks_at=(("vault", first),),
            )
            return


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
