"""What is in the state and not as it was left: read by the engine, which changes nothing.

`pulumi refresh --preview-only` takes no lock and writes no state (`Refresh` in pulumi
pkg/backend/diy/backend.go), runs no program, and asks each provider what an update would have to
set right. So what is merged and not deployed yet is no drift, and neither is what controllers
write: the kubernetes provider looks at the fields that we have set, and at no other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from bot import engine
from bot.changes.model import ChangeSet
from bot.clients.target import Target
from bot.engine import Engine, EngineResult
from bot.engine.as_changes import changes_of
from bot.engine.errors import explain, first_line
from bot.engine.events import OperationRecord
from bot.exit_codes import BotError
from bot.mesh.drift.fields import BY_RIGHT

# With `skipUpdateUnreachable` or `deleteUnreachable` in the environment the provider only warns.
UNREACHABLE = "cluster is unreachable"
_NEXT = "run `python -m bot drift --stack {stack}` again once it is mended"


class LookStopped(BotError):  # noqa: N818  (nothing went wrong)
    """The command was interrupted."""


def read(
    found: Engine,
    target: Target,
    stop: threading.Event,
    timeout: float = engine.TIMEOUT_SECONDS,
) -> ChangeSet:
    """The tracked resources that differ, as changes from what is declared to what is there.

    What could not be read is among its errors. Raises Stopped soon after `stop` is set: the
    engine holds no lock and writes nothing, so it may end anywhere.
    """

    def listen(_ledger: OperationRecord) -> None:
        if stop.is_set():
            raise LookStopped("interrupted")

    # A stack that nobody has made yet must not come to be by looking at it.
    looked_at = replace(target, creates=False)
    result = engine.run(
        found, looked_at, "refresh", preview_only=True, listen=listen, timeout=timeout
    )
    return of(result)


def of(result: EngineResult) -> ChangeSet:
    """The differences that a run of the engine found."""
    made = changes_of(result, source="drift")
    changes = tuple(each for each in made.changes if not any(passes(each) for passes in BY_RIGHT))
    if any(UNREACHABLE in text for text in made.warnings):
        # With `deleteUnreachable` every object of a cluster that is away looks gone.
        changes = tuple(each for each in changes if not each.type.startswith("kubernetes:"))
    # What the stack file has moved since is not what somebody did in the cluster.
    return made.model_copy(
        update={"changes": changes, "moves": (), "errors": tuple(_errors(result))}
    )


def _errors(result: EngineResult) -> Iterable[str]:
    """One line: what it is and what next; nothing when the engine saw everything."""
    record, stack = result.record, result.target.stack
    unreachable = [text for text in record.warnings if UNREACHABLE in text]
    if result.ok and not unreachable:
        return
    texts = [*(text for _, text in record.errors), *unreachable, *result.outside]
    if result.ending.ended == "timed out":
        yield "the engine was stopped: it took longer than its time-out"
        return
    known, next_step = explain(texts, stack)
    if known is None:
        next_step = _NEXT.replace("{stack}", stack)
        known = first_line(texts[0]) if texts else f"exit code {result.ending.code} of the engine"
    yield f"{known}: {next_step}"
