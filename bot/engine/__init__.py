"""The Pulumi engine: find it, run an operation with it, and what came of it.

Operations go through Pulumi's Automation API with the program inline (bot/engine/automation.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.cli.options import TIMEOUT_SECONDS as TIMEOUT_SECONDS
from bot.clients import environment as engine_environment
from bot.clients.target import Target
from bot.engine import errors as engine_errors
from bot.engine.events import OperationRecord
from bot.engine.process import Ending, Event
from bot.exit_codes import BotError, MissingToolError

if TYPE_CHECKING:
    from pulumi.automation import UpdateSummary

    from bot.engine import automation

_PENDING = "pending operations from previous deployment"
Listen = Callable[[OperationRecord], None]


class EngineMissing(MissingToolError):  # noqa: N818  (as ToolMissing in sandbox/)
    """There is no engine and none could be installed."""


@dataclass(frozen=True)
class Engine:
    """A program `pulumi` that runs. version: what it says of itself, such as `v3.260.0`."""

    program: str
    version: str

    def command(
        self, target: Target, environment: Mapping[str, str], **more: Any
    ) -> automation.EngineCommand:
        """The program as the Automation API runs it for a target."""
        from bot.engine import automation

        return automation.EngineCommand(self.program, self.version, target, environment, **more)


@dataclass(frozen=True)
class EngineResult:
    """What came of an operation: the record of it, how it ended, errors outside the record."""

    operation: str
    target: Target
    record: OperationRecord
    ending: Ending
    outside: list[str] = field(default_factory=list)
    locks: list[engine_errors.Lock] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when the engine says so in every way it can: a doubt is a failure."""
        record, ending = self.record, self.ending
        return (
            ending.code == 0
            and ending.ended == "finished"
            and record.result == "succeeded"
            and not record.errors
        )

    @property
    def pending(self) -> bool:
        """True when a run before this one was killed while it made something."""
        return any(_PENDING in text for text in self.record.warnings)

    @property
    def unchanged(self) -> bool:
        """True when it went well, nothing changed, and the engine saw everything."""
        return self.ok and not self.record.changes and not self.record.incomplete


def find(*, install: bool = True) -> Engine:
    """The engine on PATH, else one installed by the SDK below `~/.pulumi`; raises EngineMissing.

    A program that prints no version is none: the engine's tools refuse to work with it.
    install: False looks only, and downloads nothing.
    """
    program = shutil.which("pulumi")
    version = program and _version(program)
    if program and version:
        return Engine(program, version)
    reason = f"{program} prints no version" if program else "pulumi is not on PATH"
    if not install:
        program = _installed()
        version = program and _version(program)
        if program and version:
            return Engine(program, version)
        raise EngineMissing(_advice(reason))
    # The import costs more than a run of the engine: only where it is needed.
    from pulumi.automation import PulumiCommand

    try:
        command = PulumiCommand.install()
    except Exception as error:
        detail = engine_errors.first_line(str(error), 120)
        raise EngineMissing(
            _advice(f"{reason}, and it could not be installed ({detail})")
        ) from None
    return Engine(command.command, f"v{command.version}")


def _advice(reason: str) -> str:
    return (
        f"{reason}: install the Pulumi CLI (https://www.pulumi.com/docs/install/), or show the "
        "stack's resources without it: python -m bot plan --stack NAME"
    )


def _installed() -> str | None:
    from pulumi._version import version

    program = Path.home() / ".pulumi" / "versions" / str(version) / "bin" / "pulumi"
    return str(program) if program.is_file() else None


def _version(program: str) -> str | None:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=environment,
        )
        if answer.returncode == 0:
            return answer.stdout.strip() or None
    return None


class FoundMeanwhile:
    """Looks for the engine while the caller reads the stack file; each takes 0.1 s and more."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._find, daemon=True)
        self._thread.start()

    def _find(self) -> None:
        try:
            self._engine = find()
        except BaseException as error:
            self._error = error

    def engine(self) -> Engine:
        """The engine; raises what `find` raised."""
        self._thread.join()
        if self._engine is None:
            raise self._error or RuntimeError("the search for the engine ended without an answer")
        return self._engine


def run(
    engine: Engine,
    target: Target,
    operation: str,
    /,
    *flags: str,
    listen: Listen = lambda _ledger: None,
    timeout: float = TIMEOUT_SECONDS,
    **options: Any,
) -> EngineResult:
    """Run `up`, `preview`, `refresh` or `destroy` without a question and return what came of it.

    options: of the Automation API's method of that name, such as `message` and `target`; with
    `preview_only` a refresh or destroy only looks. flags: what the API has no argument for.
    listen: called with the record about twenty times a second. timeout: seconds. A stack that the
    backend does not know is made first when the target says so. Raises BotError.
    """
    result = _run(engine, target, operation, flags, listen, timeout, options)
    if target.creates and any(engine_errors.NO_STACK.search(text) for text in result.outside):
        create_stack(engine, target)
        result = _run(engine, target, operation, flags, listen, timeout, options)
    return result


def _run(
    engine: Engine,
    target: Target,
    operation: str,
    flags: Sequence[str],
    listen: Listen,
    timeout: float,
    options: dict[str, Any],
) -> EngineResult:
    # Imported here: the SDK takes longer than the engine is looked for.
    from pulumi.automation.errors import CommandError

    from bot.engine import automation, program

    record = OperationRecord()

    def take(event: Event | None) -> None:
        if event is None:
            listen(record)
        else:
            record.add(event)

    values = _environment(engine, target)
    with program.served(target, values) as served:
        command = engine.command(
            target,
            values,
            take=take,
            timeout=timeout,
            client=served.client,
            flags=flags,
        )
        stack = automation.stack(command, target, served.inline)
        if target.config_file:
            options = {**options, "config_file": str(target.config_file)}
        threading.Thread(target=program.preload, daemon=True).start()
        try:
            automation.operate(stack, operation, options)
        except CommandError:
            # The record says why, and says more.
            if command.ending is None:
                raise
    if command.ending is None:
        raise RuntimeError("the engine was not run")
    text = command.errors
    outside = engine_errors.stderr_errors(text) if command.ending.code else []
    return EngineResult(
        operation, target, record, command.ending, outside, engine_errors.locks(text)
    )


def create_stack(engine: Engine, target: Target) -> None:
    """Make the stack in the backend; where it has a file of its own, the salt goes there.

    Raises BotError with the engine's reason.
    """
    folder = target.config_file.parent if target.config_file else target.project_dir
    with opened(engine, target, folder) as stack:
        stack.workspace.create_stack(f"organization/linkerd-platform/{target.stack}")


@contextmanager
def opened(
    engine: Engine, target: Target, folder: Path | None = None
) -> Iterator[automation.Stack]:
    """The stack for what takes moments: `history`, `export_stack`, tags, `cancel`.

    Raises BotError with the engine's reason, in the block too.
    """
    from pulumi.automation.errors import CommandError

    from bot.engine import automation

    values = _environment(engine, target)
    command = engine.command(target, values)
    try:
        yield automation.stack(command, target, folder=folder)
    except CommandError:
        text = "; ".join(engine_errors.stderr_errors(command.errors)) or command.errors.strip()
        what = " ".join(command.ran[:2])
        raise BotError(f"pulumi {what}: {engine_errors.first_line(text)}") from None
    except subprocess.TimeoutExpired:
        raise BotError(
            f"pulumi {command.ran[0]} did not end in {automation.SHORT_SECONDS:.0f} s"
        ) from None


def exported(engine: Engine, target: Target) -> dict[str, Any]:
    """The state as `pulumi stack export` gives it, secrets encrypted; raises BotError."""
    with opened(engine, target) as stack:
        try:
            return dict(vars(stack.export_stack()))
        except (ValueError, AttributeError):
            raise BotError(
                f"stack {target.stack}: the engine's export has an unknown format"
            ) from None


def history(engine: Engine, target: Target, entries: int) -> list[UpdateSummary]:
    """The last operations, the newest first, without any secret of their config.

    Raises BotError with the engine's reason, and where its answer has another form.
    """
    with opened(engine, target) as stack:
        try:
            return stack.history(page_size=entries, show_secrets=False)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BotError(
                f"the history of stack {target.stack} cannot be read: `pulumi stack history "
                f"--stack {target.stack} --json` does not print entries with times"
            ) from None


def short(engine: Engine, target: Target, *arguments: str, folder: Path | None = None) -> str:
    """Run a command of the engine that the API has no method for; its output. Raises BotError."""
    with opened(engine, target, folder) as stack:
        workspace = stack.workspace
        return workspace.pulumi_command.run(list(arguments), workspace.work_dir, {}).stdout


def cancel_stale(engine: Engine, target: Target, result: EngineResult) -> bool:
    """Release a lock when its process was ours on this machine and is gone; True if it was."""
    if not result.locks or not all(lock.stale for lock in result.locks):
        return False
    with opened(engine, target) as stack:
        stack.cancel()
    return True


def _environment(engine: Engine, target: Target) -> dict[str, str]:
    found = engine_environment.of(target.environment)
    engine_environment.clean(found.dropped)
    values = dict(found.values)
    # Plugins lie beside an engine that was installed for us.
    values["PATH"] = os.pathsep.join([str(Path(engine.program).parent), values.get("PATH", "")])
    return values
