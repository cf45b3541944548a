"""The fleet as the commands see it: the files of its stacks, and what its servers hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509

from bot import stacks
from bot.clients.target import Target
from bot.engine import target as engine_target
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.mesh.trust import reader as trust_reader
from bot.mesh.trust import vault as trust_vault
from bot.mesh.trust.chain import fingerprint
from bot.mesh.trust.model import Kept, TrustState
from stack import fleet, load
from stack.config import StackConfig
from stack.fleet import Fleet
from stack.fleet_differences import Difference, differences

VAULT = "Vault"


@dataclass(frozen=True)
class Gathered:
    """Everything about the stacks that share an anchor, and what could not be read, with why.

    mismatches: generations that are not the same certificate everywhere.
    """

    configs: Mapping[str, StackConfig]
    owner: str
    seen: Mapping[str, TrustState] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    differences: tuple[Difference, ...] = ()
    mismatches: tuple[str, ...] = ()

    @property
    def kept_names(self) -> tuple[str, ...]:
        """The generations whose key Vault has."""
        return tuple(each.generation for each in self.kept if each.key)


def fleet_of(stack: str, project_dir: Path | None = None) -> Fleet | None:
    """The fleet that a stack is in; None where it stands alone."""
    found = fleet.read(project_dir or stacks.PROJECT_DIR)
    return found if found and stack in found.stacks else None


def the_fleet(project_dir: Path | None = None) -> Fleet:
    """The fleet; raises BadInputError where the project has no fleet file."""
    found = fleet.read(project_dir or stacks.PROJECT_DIR)
    if found is None:
        raise BadInputError(
            f"--all: there is no {fleet.FILE}: list `owner` and `waves` there, or use --stack"
        )
    return found


def only(gathered: Gathered, stack: str) -> Gathered:
    """What concerns one cluster: itself, the owner's Vault, and contradictions with others."""
    return replace(
        gathered,
        seen={name: seen for name, seen in gathered.seen.items() if name == stack},
        unread={name: why for name, why in gathered.unread.items() if name in (stack, VAULT)},
        differences=tuple(each for each in gathered.differences if stack in each.stacks),
    )


def guard(target: Target) -> None:
    """Refuse a stack file with which another one of the fleet cannot live.

    Raises BadInputError with a line per contradiction. The files are compared, not the clusters:
    `same_anchors` looks at those.
    """
    found = fleet_of(target.stack, target.project_dir)
    if found is None:
        return
    configs = {name: _member(name, target).config for name in found.stacks}
    unsafe = [
        each.message
        for each in differences(configs, found.owner)
        if each.unsafe and target.stack in each.stacks
    ]
    if unsafe:
        raise BadInputError("\n".join(f"{fleet.FILE}: {message}" for message in unsafe))


def same_anchors(target: Target) -> list[str]:
    """Refuse to apply a stack while a generation is two certificates somewhere in its fleet.

    Returns a line per member that could not be asked: a cluster that is not there yet is no reason
    to stop, and no reason to be silent. Raises RefusedError with a line per difference.
    """
    if fleet_of(target.stack, target.project_dir) is None:
        return []
    gathered = gather(target)
    if gathered.mismatches:
        raise RefusedError("\n".join(f"{fleet.FILE}: {text}" for text in gathered.mismatches))
    return [f"anchors of {name} not compared: {why}" for name, why in gathered.unread.items()]


def target_of(stack: str, project_dir: Path | None = None) -> Target:
    """A stack and its servers; unlike for the engine, no passphrase is needed.

    Raises BadInputError, ConfigError and, for the sandbox, MissingToolError when it does not run.
    """
    folder = project_dir or stacks.PROJECT_DIR
    if stack == engine_target.SANDBOX:
        return engine_target.of(stack, folder)
    return Target(stack, folder, load.from_file(stacks.file_of(stack, folder)), None, {})


def _member(name: str, known: Target) -> Target:
    return known if name == known.stack else target_of(name, known.project_dir)


def gather(target: Target) -> Gathered:
    """Read the stack and, where it is in the fleet, every other one of it.

    What cannot be read is told, and is no error here: what follows from it is for the caller.
    """
    found = fleet_of(target.stack, target.project_dir) or Fleet.alone(target.stack)
    targets = {name: _member(name, target) for name in found.stacks}
    configs = {name: each.config for name, each in targets.items()}
    clusters = [each for each in targets.values() if each.config.cluster]
    unread: dict[str, str] = {}
    kept: tuple[Kept, ...] = ()
    try:
        kept = trust_vault.read(targets[found.owner])
    except BotError as error:
        unread[VAULT] = str(error)
    seen: dict[str, TrustState] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(clusters))) as pool:
        for each, read in zip(clusters, pool.map(_read, clusters), strict=True):
            if isinstance(read, TrustState):
                seen[each.stack] = read
            else:
                unread[each.stack] = read
    published = {each.generation: each.published for each in kept if each.published}
    return Gathered(
        configs=configs,
        owner=found.owner,
        seen={
            name: replace(each, anchors={**published, **each.anchors})
            for name, each in seen.items()
        },
        unread=unread,
        kept=kept,
        differences=tuple(differences(configs, found.owner)),
        mismatches=tuple(mismatches(list(seen.values()), kept, found.owner)),
    )


def _read(target: Target) -> TrustState | str:
    try:
        return trust_reader.read(target)
    except BotError as error:
        return str(error)


def mismatches(seen: Sequence[TrustState], kept: Sequence[Kept], owner: str) -> list[str]:
    """Where one generation is two certificates, by fingerprint, with both places named.

    Every place is compared with the first that has the generation: the owner's Vault, else the
    first cluster.
    """
    found: list[str] = []
    first: dict[str, tuple[str, str]] = {}
    places: list[tuple[str, Mapping[str, x509.Certificate]]] = [
        (f"{owner} (published)", {k.generation: k.published for k in kept if k.published}),
        (f"{owner} (PKI)", {k.generation: k.made for k in kept if k.made}),
        *((each.stack, each.anchors) for each in seen),
    ]
    for place, anchors in places:
        for generation, certificate in anchors.items():
            own = fingerprint(certificate)
            other, expected = first.setdefault(generation, (place, own))
            if own != expected:
                found.append(
                    f"{generation} is not one certificate: {other} has {expected[:16]}, "
                    f"{place} has {own[:16]}"
                )
    return found
