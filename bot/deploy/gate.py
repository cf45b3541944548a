"""Whether a commit may go to a stack at all: approval by policy, and staging before production."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.clients.target import Target
from bot.deploy import backend, shared_targets, snapshot, tree, verified
from bot.deploy.tree import Tree
from bot.engine import Engine
from bot.exit_codes import BadInputError, BotError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.text import git
from bot.text.lists import listed
from stack import fleet
from stack.fleet import Fleet

DEVELOPMENT = "development"
_NAMED = 4


@dataclass(frozen=True)
class Requirement:
    """What fleet.yaml says of a stack. wave: empty for a stack that is in none.

    listed: whether it names the stack at all. others: the stacks that this one must not be: those
    that need an approval, or all of the fleet where it is not listed.
    """

    stack: str
    wave: str = ""
    approval: bool = False
    before: tuple[str, ...] = ()
    listed: bool = True
    environments: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"stack {self.stack}{f' (wave {self.wave})' if self.wave else ''}"


def requirement_of(stack: str, project_dir: Path) -> Requirement:
    """The policy for a stack: the stricter of the fleet file that is committed and of the one here.

    So nobody gets around it by editing or deleting the file. Raises ConfigError.
    """
    fleets = _fleets(project_dir)
    rules = [_policy(each, stack) for each in fleets if stack in each.stacks]
    every = dict.fromkeys(name for each in fleets for name in each.stacks)
    gated = dict.fromkeys(
        name for each in fleets for name in each.stacks if each.approval_of(name) == fleet.REQUIRED
    )
    return Requirement(
        stack,
        next((each.wave for each in rules if each.wave), ""),
        any(each.approval for each in rules),
        tuple(dict.fromkeys(name for each in rules for name in each.before)),
        listed=bool(rules),
        environments=tuple(dict.fromkeys(name for each in rules for name in each.environments)),
        others=tuple(gated if rules else every),
    )


def _fleets(project_dir: Path) -> list[Fleet]:
    found = []
    try:
        text = git.content("HEAD", fleet.FILE, project_dir)
    except BotError:
        text = None  # Without git, or a commit, there is the file here alone.
    if text is not None:
        committed = Path(f"{fleet.FILE} as it is committed")
        found.append(fleet.parsed(text.decode("utf-8", "replace"), committed, None))
    here = fleet.read(project_dir)
    return [*found, here] if here and here not in found else found


def _policy(found: Fleet, stack: str) -> Requirement:
    wave, environment = found.wave_of(stack), found.environment_of(stack)
    return Requirement(
        stack,
        wave.name if wave else "",
        found.approval_of(stack) == fleet.REQUIRED,
        found.before(stack),
        environments=(environment,) if environment else (),
    )


def skipped(skip: bool, reason: str | None) -> str:
    """The reason for which earlier waves are skipped, empty where they are not.

    Raises BadInputError where one of the two options is there without the other.
    """
    if skip and not (reason or "").strip():
        raise BadInputError(
            "bot up: --skip-waves needs --reason TEXT, which is recorded in the history"
        )
    return (reason or "").strip() if skip else ""


def check(rule: Requirement, target: Target, checked_out: Tree, *, approved: bool) -> None:
    """Raise RefusedError where a stack may not be worked on like this.

    It is listed in fleet.yaml, or for development. One that needs an approval has one, and takes
    only a commit. Any other stays away from the clusters and mounts of those.
    """
    said = target.config.environment
    if not rule.listed and said != DEVELOPMENT:
        raise RefusedError(
            f"{rule} is not in {fleet.FILE}: list it in a wave there, or say "
            f"`linkerd-platform:environment: {DEVELOPMENT}` in Pulumi.{rule.stack}.yaml, where it "
            "shares neither a cluster nor a Vault with the fleet"
        )
    if said and rule.environments and rule.environments != (said,):
        raise RefusedError(
            f"Pulumi.{rule.stack}.yaml: environment: is {said}, and {fleet.FILE} says "
            f"{' and '.join(rule.environments)}: write the same"
        )
    if not rule.approval:
        refuse_shared(rule, target)
        return
    if not checked_out.clean:
        raise RefusedError(
            f"{rule} takes only a commit, but the working tree is "
            f"{checked_out}{_beside(checked_out)}: commit the changes, or check out the commit "
            "elsewhere"
        )
    if not approved:
        raise RefusedError(
            f"{rule} needs an approval: "
            f"`python -m bot preview --stack {rule.stack} --out changes.json`, "
            f"`python -m bot approve --stack {rule.stack} --changes changes.json --by NAME "
            "--out approval.json`, then `--approved approval.json`; "
            "`--preview --out changes.json` of `destroy` and `rollback` for those"
        )


def refuse_shared(rule: Requirement, target: Target) -> None:
    """Raise RefusedError where a stack that needs no approval works where one that does, does."""
    if not rule.approval:
        environment = snapshot.environment(target)
        shared_targets.refuse_shared(target, rule.others, environment, apart=not rule.listed)


def _beside(checked_out: Tree) -> str:
    names = list(checked_out.beside)
    return f" ({listed(names, _NAMED)})" if names else ""


def earlier_waves(found: Engine, target: Target, rule: Requirement, checked_out: Tree) -> None:
    """Raise RefusedError that names each stack of an earlier wave that has not proven the commit.

    Proven: the commit was applied from a clean tree, verified, and not taken back since.
    """
    missing = [
        f"{stack}: {why}"
        for stack in rule.before
        if (why := _not_proven(found, target, stack, checked_out))
    ]
    if missing:
        head = f"{rule} comes after stacks to which {checked_out} was not applied and verified"
        way_on = (
            f"next: `python -m bot up --stack {rule.before[0]}` with this commit, or "
            "--skip-waves --reason TEXT"
        )
        raise RefusedError("\n".join([head, *(f"missing: {text}" for text in missing), way_on]))


def _not_proven(found: Engine, target: Target, stack: str, checked_out: Tree) -> str:
    """Why a stack does not prove the commit; empty where it does."""
    if checked_out.commit is None or checked_out.dirty:
        return f"the working tree is {checked_out}; no stack can have this version"
    try:
        other = trust_fleet.target_of(stack, target.project_dir)
        entries = backend.history(found, other)
        proofs = verified.read(found, other)
    except BotError as error:
        return f"its history cannot be read: {error}"
    return unproven(entries, proofs, checked_out.commit, target.project_dir)


def unproven(
    entries: tuple[backend.Entry, ...],
    proofs: tuple[verified.Proven, ...],
    commit: str,
    project_dir: Path,
) -> str:
    """Why a history does not prove a commit; empty where it does."""
    updates = [each for each in entries if each.kind in ("update", "destroy")]
    if not updates:
        return "no commit was ever applied to it"
    short = commit[: tree.SHORT]
    mine = [e for e in updates if e.commit == commit and e.clean and e.result == "succeeded"]
    if not mine:
        return f"commit {short} was not applied to it"
    operations = {each.operation for each in proofs if each.commit == commit}
    if not any(e.trailers.get(backend.OPERATION) in operations for e in mine):
        return f"commit {short} was applied to it and not verified"
    last = updates[0]
    if last.kind == "destroy":
        return "it was destroyed since"
    if last.result != "succeeded":
        return f"its last update, of {_commit(last)}, {last.result}"
    if not last.authentic:
        return "its last update was not made by the bot, so it may have been reverted"
    if last.commit is None or not tree.contains(project_dir, last.commit, commit):
        return (
            f"it has {_commit(last)} now, which does not contain commit {short} (or is not in this "
            "clone): it was reverted, or another branch was applied"
        )
    return ""


def _commit(entry: backend.Entry) -> str:
    return f"commit {entry.commit[: tree.SHORT]}" if entry.commit else "no commit"
