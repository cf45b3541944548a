"""What a rollback may not do, whatever somebody allows: the trust and the CRDs only go forward.

An anchor that is no longer trusted cuts off every pod that still has a certificate below it, and a
CRD without a version in which objects are stored makes them unreadable. Neither comes back with a
second rollback.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot import engine
from bot.changes.model import ChangeSet
from bot.changes.objects import RELEASE
from bot.clients.target import Target
from bot.deploy import protected
from bot.deploy.protected import Action
from bot.engine import Engine
from bot.exit_codes import BotError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust.chain import fingerprint
from bot.mesh.trust.fleet import Gathered
from stack.charts import Charts, cache_dir
from stack.config import StackConfig

# No `--allow` reaches these in a rollback.
NEVER = (Action.ANCHOR, Action.CRD)
_CRD = b"kind: CustomResourceDefinition"
_NAME = re.compile(rb"^  name: [\"']?([a-z0-9.-]+)", re.MULTILINE)
_FORWARD = "go forward instead: revert the fault in a new commit, and run `python -m bot up`"


def refuse(reasons: Sequence[str], short: str) -> None:
    """Raise RefusedError with every reason."""
    if reasons:
        told = [f"refused: {reason}" for reason in dict.fromkeys(reasons)]
        raise RefusedError("\n".join([*told, f"commit {short} is not rolled back to; {_FORWARD}"]))


def trust(was: StackConfig, now: StackConfig) -> Iterator[str]:
    """Why the trust of an older config (`was`) cannot follow that of today's (`now`)."""
    if was.role != now.role:
        yield f"its role is {was.role}, now {now.role}: it would abandon its resources"
    if was.trust.domain != now.trust.domain:
        yield f"its trust domain is {was.trust.domain}, now {now.trust.domain}"
    older, newer = ({g.name: g for g in each.trust.generations} for each in (was, now))
    if now.owns_anchor:
        for name in newer.keys() - older.keys():
            yield f"it does not create anchor generation {name}, which exists now"
    trusted = {generation.name for generation in was.trust.trusted}
    current = {generation.name for generation in now.trust.trusted}
    for name in sorted(current - trusted):
        yield f"it does not trust anchor generation {name}, which is trusted now"
    for name in sorted(trusted - current):
        why = "retired" if name in newer else "no longer known"
        yield f"it trusts anchor generation {name}, which is now {why}"
    for name in sorted(older.keys() & newer.keys()):
        if older[name].custody != newer[name].custody:
            yield f"it has {name} in custody {older[name].custody}, now {newer[name].custody}"


def signer(was: StackConfig, today: Target) -> list[str]:
    """Why pods of the fleet would refuse what an older config signs with; asks every cluster.

    Only where that is another generation than today's: else nothing about it changes.
    """
    if was.cluster is None or was.trust.signing == today.config.trust.signing:
        return []
    return unsigned(was.trust.signing, trust_fleet.gather(today))


def unsigned(signing: str, gathered: Gathered) -> list[str]:
    """The same from what was read: each bundle must hold that generation, and be seen to."""
    kept = {each.generation: each.published for each in gathered.kept}
    certificate = kept.get(signing)
    if certificate is None:
        return [f"it signs with {signing}, which Vault does not publish"]
    found = []
    for stack, config in gathered.configs.items():
        if config.cluster is None:
            continue
        seen = gathered.seen.get(stack)
        if seen is None or seen.bundle is None:
            why = gathered.unread.get(stack, "it has no bundle")
            found.append(f"it signs with {signing}, and the bundle of {stack} is unknown: {why}")
        elif fingerprint(certificate) not in map(fingerprint, seen.bundle.certificates):
            found.append(f"it signs with {signing}, which the bundle of {stack} does not hold")
    return found


def deployed_crds(found: Engine, today: Target) -> dict[str, str]:
    """Version of each release of CRDs that the stack has, by the release's name; raises BotError.

    RefusedError where the stack has nothing at all: there is nothing to go back from.
    """
    state = engine.exported(found, today).get("deployment") or {}
    resources = state.get("resources") or []
    if not resources:
        raise RefusedError(
            f"stack {today.stack} has no resources yet: run `python -m bot up` first"
        )
    return releases(resources)


def releases(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The same from the resources of a state."""
    made = [each.get("inputs") or {} for each in resources if each.get("type") == RELEASE]
    return {
        str(each.get("name")): str(each.get("version"))
        for each in made
        if str(each.get("name")).endswith("-crds")
    }


def crds(deployed: Mapping[str, str], charts: Charts) -> Iterator[str]:
    """Why an older list of charts cannot follow the CRDs that are deployed.

    A lower version with the very same CRDs is no downgrade of them. What is in between cannot be
    told without asking which version each object is stored in, so it is refused.
    """
    for release, version in sorted(deployed.items()):
        name = release if release in charts.entries else release.removesuffix("-crds")
        entry = charts.entries.get(name)
        if entry is None:
            yield f"it has no {release}, whose version {version} is installed now"
        elif _order(entry.version) < _order(version):
            older = charts.source(name)
            newer = cache_dir() / older.name.replace(entry.version, version)
            for reason in lost(definitions(older), definitions(newer)):
                yield f"it has {release} {entry.version}, and {version} is installed now: {reason}"


def _order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Sorts versions as semver.org does, but for the parts of a pre-release."""
    number, _, extra = version.removeprefix("v").partition("-")
    parts = tuple(int(part) for part in number.partition("+")[0].split(".") if part.isdigit())
    return parts, not extra, extra


def definitions(archive: Path) -> dict[str, bytes] | None:
    """The text of each CRD of a chart or manifest, by name; None where the file is not there."""
    try:
        content = archive.read_bytes()
        if archive.suffix == ".yaml":
            texts = content.replace(b"\r\n", b"\n").split(b"\n---")
        else:
            with tarfile.open(archive, mode="r:gz") as tar:
                files = [tar.extractfile(member) for member in tar if member.isfile()]
                texts = [file.read() for file in files if file]
    except FileNotFoundError:
        return None
    except (OSError, EOFError, tarfile.TarError):
        raise BotError(f"{archive}: cannot be read: delete it and run `make charts`") from None
    found: dict[str, bytes] = {}
    for text in texts:
        name = _NAME.search(text) if _CRD in text else None
        if name:
            found[name[1].decode()] = text.strip()
    return found


def lost(older: Mapping[str, bytes] | None, newer: Mapping[str, bytes] | None) -> list[str]:
    """What an older set of CRDs takes away from a newer one, in words."""
    if not older or not newer:
        return ["their CRDs cannot be compared: an archive is not in the cache (`make charts`)"]
    gone = sorted(newer.keys() - older.keys())
    changed = sorted(name for name in newer.keys() & older.keys() if newer[name] != older[name])
    told = [f"CRD {name} is not in it" for name in gone]
    return told + [f"CRD {name} is an older one" for name in changed]


def changes(found: ChangeSet) -> list[str]:
    """What the preview shows that a rollback may not do."""
    return [
        f"{need.subject}: {need.why}" for need in protected.needs(found) if need.action in NEVER
    ]
