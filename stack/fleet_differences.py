"""Where the files of stacks that share a trust anchor contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stack.config import StackConfig


@dataclass(frozen=True)
class Difference:
    """Two stacks and the generation about which they do not agree.

    unsafe: with both applied, one would refuse the other's certificates. Otherwise it is a rotation
    under way.
    """

    stacks: tuple[str, str]
    generation: str
    message: str
    unsafe: bool


def differences(configs: Mapping[str, StackConfig], owner: str | None = None) -> list[Difference]:
    """Where the files of stacks that share a trust anchor do not agree, the unsafe ones first.

    `owner` is the stack that makes the anchor. Where one signs with a generation that another does
    not trust, a pod of the first cannot talk to one of the second. A generation that only some
    trust yet is a rotation under way.
    """
    clusters = {name: config for name, config in configs.items() if config.cluster}
    found = list(_pairs(clusters))
    if owner is not None and owner in configs:
        for name, config in configs.items():
            if name != owner:
                found += _against_owner(owner, configs[owner], name, config)
    return sorted(found, key=lambda difference: not difference.unsafe)


def _pairs(clusters: Mapping[str, StackConfig]) -> Iterator[Difference]:
    for (one, first), (two, second) in itertools.combinations(clusters.items(), 2):
        if first.trust.domain != second.trust.domain:
            yield Difference(
                (one, two),
                first.trust.signing,
                f"{one} and {two} share anchor {first.trust.signing} with two trust domains: "
                f"{first.trust.domain} and {second.trust.domain}",
                unsafe=True,
            )
        if _login(first) == _login(second):
            yield Difference(
                (one, two),
                first.trust.signing,
                f"{one} and {two} log in at one auth mount, {_login(first)[-1]}, and Vault reviews "
                "the tokens of a mount in one cluster: give each its own vault.authMount",
                unsafe=True,
            )
        trusts = {one: _trusted(first), two: _trusted(second)}
        for signs, config, other in ((one, first, two), (two, second, one)):
            signing = config.trust.signing
            if signing not in trusts[other]:
                yield Difference(
                    (signs, other),
                    signing,
                    f"{signs} signs with {signing}, which {other} does not trust: add it to "
                    f"trust.generations of {other} first, in every cluster, and retire it last",
                    unsafe=True,
                )
        signers = {first.trust.signing, second.trust.signing}
        for generation in sorted((trusts[one] ^ trusts[two]) - signers):
            has, lacks = (one, two) if generation in trusts[one] else (two, one)
            yield Difference(
                (has, lacks), generation, f"{has} trusts {generation}, {lacks} does not", False
            )


def _against_owner(
    owner: str, own: StackConfig, name: str, config: StackConfig
) -> Iterator[Difference]:
    """What a stack names must be made by the owner, in the same custody, and in the same place."""
    made = {generation.name: generation for generation in own.trust.generations}
    for key, first, second in (
        ("namespace", own.vault.namespace, config.vault.namespace),
        ("authNamespace", own.vault.login_namespace, config.vault.login_namespace),
    ):
        if (first or "").strip("/") != (second or "").strip("/"):
            yield Difference(
                (name, owner),
                config.trust.signing,
                f"{name} looks in the Vault namespace {second or 'root'}, {owner} works in "
                f"{first or 'root'}: give both the same vault.{key}",
                unsafe=True,
            )
            break
    mounts = [(each.vault.kv_mount, each.vault.pki_mount) for each in (own, config)]
    if mounts[0] != mounts[1]:
        yield Difference(
            (name, owner),
            config.trust.signing,
            f"{name} looks for {config.trust.signing} at {' and '.join(mounts[1])}, {owner} makes "
            f"it at {' and '.join(mounts[0])}: give both the same vault.kvMount and pkiMount",
            unsafe=True,
        )
    for generation in config.trust.trusted:
        known = made.get(generation.name)
        if known is None:
            message = (
                f"{name} trusts {generation.name}, which {owner} does not list: add it there first"
            )
        elif known.custody != generation.custody:
            message = (
                f"{generation.name} is in custody {known.custody} for {owner} and in custody "
                f"{generation.custody} for {name}: write the owner's"
            )
        else:
            continue
        yield Difference((name, owner), generation.name, message, unsafe=True)


def _login(config: StackConfig) -> tuple[str, ...]:
    """Where a cluster logs in: Vault, namespace and auth mount."""
    cluster, vault = config.cluster, config.vault
    mount = vault.auth_mount_of(cluster) if cluster else ""
    return (vault.address.rstrip("/").lower(), (vault.login_namespace or "").strip("/"), mount)


def _trusted(config: StackConfig) -> set[str]:
    return {generation.name for generation in config.trust.trusted}
