"""What the state backend keeps of a stack beside its resources: a version, a history, tags.

The history is the engine's own (`pulumi stack history`). What the bot knows of an update stands in
its message, as trailers like git's; what is known only after it, in a tag. Both work on every
backend, the file backend included (engine 3.260).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot import engine
from bot.clients.target import Target
from bot.engine import Engine
from bot.engine import checkpoint as engine_checkpoint
from bot.exit_codes import BotError

if TYPE_CHECKING:
    from pulumi.automation import UpdateSummary

# As many as are looked at: the Pulumi service gives ten unless asked for more.
_ENTRIES = 100
_TRAILER = re.compile(r"^([A-Z][A-Za-z-]*): (.+)$", re.MULTILINE)
_NO_STACK = re.compile(r"no stack named")
_TORN = re.compile(r"reading history file \S+: .*(EOF|unexpected end|invalid character)")
_NO_TAG = re.compile(r"stack tag .* not found|no stack named")

OPERATION, COMMIT, TREE = "Operation", "Commit", "Tree"
APPROVAL, APPROVED_BY, SKIPPED, VERIFY = "Approval", "Approved-by", "Skipped-waves", "Verify"
ALLOWED, BY, SIGNED, SNAPSHOT = "Allowed", "By", "Approval-signed", "Snapshot"
# Tag with a digest of the id of each of the last operations that the bot has begun, newest first.
OPERATIONS = "linkerd-platform:operations"
_LONGEST_TAG = 256  # characters, of the Pulumi service


@dataclass(frozen=True)
class Entry:
    """One operation of the history. result: the engine's word, such as `succeeded`.

    authentic: the bot has begun the operation whose id is in the message.
    """

    kind: str
    started: datetime
    ended: datetime
    result: str
    message: str
    environment: Mapping[str, str]
    counts: Mapping[str, int]
    authentic: bool = False

    @property
    def noted(self) -> dict[str, str]:
        """What stands in the message as notes of the bot's, whoever has written it; for people."""
        found = dict(_TRAILER.findall(self.message))
        return found if OPERATION in found else {}

    @property
    def trailers(self) -> dict[str, str]:
        """What the bot noted in the message; empty for an operation of somebody else's."""
        return self.noted if self.authentic else {}

    @property
    def commit(self) -> str | None:
        """The commit of the program, by the bot's note, else by the engine's."""
        return self.trailers.get(COMMIT) or self.environment.get("git.head")

    @property
    def clean(self) -> bool:
        """True when the files were that commit's."""
        if self.trailers:
            return self.trailers.get(TREE) == "clean"
        return self.environment.get("git.dirty") == "false"

    @property
    def key(self) -> str:
        """Tells this entry from others: the file backend gives them no number."""
        text = f"{self.kind} {self.started.isoformat()} {self.ended.isoformat()} {self.message}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def message(first_line: str, trailers: Mapping[str, str]) -> str:
    """A message for `--message`; each trailer is one line, whatever is in its value."""
    lines = [f"{name}: {' '.join(value.split())}" for name, value in trailers.items() if value]
    return "\n".join([" ".join(first_line.split()), "", *lines])


def history(found: Engine, target: Target) -> tuple[Entry, ...]:
    """The last 100 operations, the newest first; none for a stack that is not there.

    Raises BotError where the engine's answer cannot be read.
    """
    try:
        entries = _history(found, target)
    except BotError as error:
        if _NO_STACK.search(str(error)):
            return ()
        torn = _TORN.search(str(error))
        if torn is None:
            raise
        if not engine_checkpoint.drop_torn_attributes(target):
            raise BotError(
                f"{error}\nnext: a crash left that file incomplete; move it away, and run again: "
                "only that operation is missing from the history then"
            ) from None
        entries = _history(found, target)
    if not any(each.noted for each in entries):
        return tuple(entries)
    return authenticated(entries, tag(found, target, OPERATIONS))


def authenticated(entries: Sequence[Entry], operations: str) -> tuple[Entry, ...]:
    """The entries, with those marked that the bot has begun by the tag's word.

    An id counts once, for the oldest entry: the others have copied it.
    """
    begun = set(operations.split())
    made = []
    for entry in reversed(entries):
        own = fingerprint(entry.noted.get(OPERATION, ""))
        made.append(replace(entry, authentic=own in begun))
        begun.discard(own)
    return tuple(reversed(made))


def fingerprint(operation: str) -> str:
    """What the tag has of an operation's id: enough to know it by, and not the id itself."""
    return base64.b32encode(hashlib.sha256(operation.encode()).digest()[:10]).decode().lower()


def with_operation(operations: str, operation: str) -> str:
    """The tag's value with one more in front; the oldest go when it gets too long."""
    items = [fingerprint(operation), *operations.split()]
    while len(" ".join(items)) > _LONGEST_TAG:
        items.pop()
    return " ".join(items)


def _history(found: Engine, target: Target) -> list[Entry]:
    return [_entry(each) for each in engine.history(found, target, _ENTRIES)]


def _entry(summary: UpdateSummary) -> Entry:
    started = summary.start_time.replace(tzinfo=UTC)
    return Entry(
        kind=summary.kind,
        started=started,
        ended=summary.end_time.replace(tzinfo=UTC) if summary.end_time else started,
        result=summary.result,
        message=summary.message or "",
        environment=dict(summary.environment or {}),
        counts={str(op): number for op, number in (summary.resource_changes or {}).items()},
    )


def state_version(found: Engine, target: Target) -> str:
    """Digest of the resources and of what is pending; the same as long as nothing wrote to it.

    Secrets stay as they are encrypted. The manifest is left out: it has the time of an export. A
    stack that is not there yet has the version of an empty one. Raises BotError.
    """
    try:
        deployment = engine.exported(found, target).get("deployment") or {}
    except BotError as error:
        if not _NO_STACK.search(str(error)):
            raise
        deployment = {}
    kept = {key: deployment.get(key) or [] for key in ("resources", "pending_operations")}
    return digest(json.dumps(kept, sort_keys=True).encode())


def digest(content: bytes) -> str:
    """`sha256:` and the digest in hexadecimal."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tag(found: Engine, target: Target, name: str) -> str:
    """A tag of the stack; empty where there is no such tag or stack. Raises BotError."""
    try:
        return engine.short(
            found, target, "stack", "tag", "get", name, "--stack", target.engine_name
        ).strip()
    except BotError as error:
        if _NO_TAG.search(str(error)):
            return ""
        raise


def set_tag(found: Engine, target: Target, name: str, value: str) -> None:
    """Set a tag, or remove it where `value` is empty. At most 256 characters. Raises BotError."""
    if value:
        words = ["tag", "set", name, value]
    elif tag(found, target, name):
        words = ["tag", "rm", name]
    else:
        return
    engine.short(found, target, "stack", *words, "--stack", target.engine_name)
