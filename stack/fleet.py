"""The stacks that share a trust anchor, and where their files contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.config import StackConfig
from stack.faults import ConfigError, Fault
from stack.values import shown
from stack.yaml_file import parse

FILE = "fleet.yaml"
_KEYS = ("owner", "clusters")


@dataclass(frozen=True)
class Fleet:
    """The stack that makes the anchor, and those of the clusters that share it."""

    owner: str
    clusters: tuple[str, ...]

    @property
    def stacks(self) -> tuple[str, ...]:
        """Every stack, the owner first; a standalone owner is a cluster too and is there once."""
        return tuple(dict.fromkeys((self.owner, *self.clusters)))


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


def read(project_dir: Path) -> Fleet | None:
    """The fleet file; None when the project has none. Raises ConfigError."""
    file = project_dir / FILE
    try:
        document = parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(file, [Fault((), f"cannot be read: {error}")]) from None
    faults = [
        Fault((), f"{'.'.join(map(str, p))} {said}", line) for p, line, said in document.faults
    ]
    value = document.value if isinstance(document.value, dict) else {}
    owner, clusters = value.get("owner"), value.get("clusters")
    unknown = [key for key in value if key not in _KEYS]
    faults += [Fault((), f"unknown key {shown(k)}: owner and clusters are known") for k in unknown]
    if not isinstance(owner, str) or not owner:
        faults.append(Fault((), "owner: name the stack that makes the trust anchor"))
    if not isinstance(clusters, list) or not all(isinstance(c, str) and c for c in clusters):
        faults.append(Fault((), "clusters: list the stacks of the clusters that share the anchor"))
    elif len(set(clusters)) != len(clusters):
        faults.append(Fault((), "clusters: names a stack twice"))
    if faults or not isinstance(owner, str) or not isinstance(clusters, list):
        raise ConfigError(file, faults)
    return Fleet(owner, tuple(clusters))


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


def _trusted(config: StackConfig) -> set[str]:
    return {generation.name for generation in config.trust.trusted}
