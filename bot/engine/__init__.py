"""The Pulumi engine: find it, run an operation with it, and what came of it.

The engine's own command line is run, not the Automation API's Python wrapper, whose `up` costs
three more runs of it (outputs, config, history), reads the secrets in clear for them, and cannot
be interrupted or timed out; see bot/engine/process.py. Its installer is used where no engine is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.engine import errors as engine_errors
from bot.engine import runs as engine_runs
from bot.engine.events import Ledger
from bot.engine.process import Ending, EngineProcess
from bot.engine.target import Target
from bot.exit_codes import BotError, MissingToolError

TIMEOUT_SECONDS = 30 * 60.0
_SHORT_SECONDS = 60.0
_PENDING = "pending operations from previous deployment"
Listen = Callable[[Ledger], None]


class EngineMissing(MissingToolError):  # noqa: N818  (as ToolMissing in sandbox/)
    """There is no engine and none could be installed."""


@dataclass(frozen=True)
class Engine:
    """A program `pulumi` that runs. version: what it says of itself, such as `v3.260.0`."""

    program: str
    version: str


@dataclass(frozen=True)
class Result:
    """What came of an operation: the record of it, how it ended, errors outside the record."""

    operation: str
    target: Target
    ledger: Ledger
    ending: Ending
    outside: list[str] = field(default_factory=list)
    locks: list[engine_errors.Lock] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when the engine says so in every way it can: a doubt is a failure."""
        ledger, ending = self.ledger, self.ending
        return (
            ending.code == 0
            and ending.ended == "finished"
            and ledger.result == "succeeded"
            and not ledger.errors
        )

    @property
    def pending(self) -> bool:
        """True when a run before this one was killed while it made something."""
        return any(_PENDING in text for text in self.ledger.warnings)

    @property
    def unchanged(self) -> bool:
        """True when it went well, nothing changed, and the engine saw everything."""
        return self.ok and not self.ledger.changes and not self.ledger.incomplete


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
        f"{reason}: install the Pulumi CLI (https://www.pulumi.com/docs/install/), or see what the "
        "stack is made of without it: python -m bot plan --stack NAME"
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
    *flags: str,
    listen: Listen = lambda _ledger: None,
    timeout: float = TIMEOUT_SECONDS,
) -> Result:
    """Run `up`, `preview`, `refresh` or `destroy` without a question and return what came of it.

    listen: called with the record about twenty times a second. timeout: seconds. A stack that the
    backend does not know is made first when the target says so.
    """
    result = _run(engine, target, operation, flags, listen, timeout)
    if target.creates and any(engine_errors.NO_STACK.search(text) for text in result.outside):
        create_stack(engine, target)
        result = _run(engine, target, operation, flags, listen, timeout)
    return result


def _run(
    engine: Engine,
    target: Target,
    operation: str,
    flags: Sequence[str],
    listen: Listen,
    timeout: float,
) -> Result:
    command = [engine.program, operation, "--stack", target.stack, "--non-interactive"]
    command += ["--color", "never", "--suppress-permalink"]
    if operation in ("preview", "up"):
        command.append("--suppress-outputs")
    # A run that only looks has nothing to confirm, and the engine refuses both together.
    if operation != "preview" and "--preview-only" not in flags:
        command += ["--yes", "--skip-preview"]
    if target.config_file:
        command += ["--config-file", str(target.config_file)]
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        text_log = Path(scratch) / "stderr"
        process = EngineProcess(
            [*command, *flags],
            _environment(engine, target),
            target.project_dir,
            Path(scratch) / "events.json",
            text_log,
            timeout=timeout,
        )
        with engine_runs.noted(target.project_dir, target.stack, operation, process.process.pid):
            for event in process.events():
                if event is None:
                    listen(ledger)
                else:
                    ledger.add(event)
        listen(ledger)
        text = text_log.read_text(errors="replace")
    if process.ending is None:
        raise RuntimeError("the engine ended without an exit code")
    outside = engine_errors.stderr_errors(text) if process.ending.code else []
    return Result(operation, target, ledger, process.ending, outside, engine_errors.locks(text))


def create_stack(engine: Engine, target: Target) -> None:
    """Make the stack in the backend; where it has a file of its own, the salt goes there.

    Raises BotError with the engine's reason.
    """
    folder = target.config_file.parent if target.config_file else target.project_dir
    name = f"organization/linkerd-platform/{target.stack}"
    short(engine, target, "stack", "init", name, "--no-select", folder=folder)


def short(engine: Engine, target: Target, *arguments: str, folder: Path | None = None) -> str:
    """Run a command of the engine that takes moments; its output. Raises BotError."""
    try:
        done = subprocess.run(
            [engine.program, *arguments, "--non-interactive"],
            cwd=folder or target.project_dir,
            env=_environment(engine, target),
            capture_output=True,
            text=True,
            timeout=_SHORT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise BotError(f"pulumi {arguments[0]} did not end in {_SHORT_SECONDS:.0f} s") from None
    if done.returncode != 0:
        text = "; ".join(engine_errors.stderr_errors(done.stderr)) or done.stderr.strip()
        raise BotError(f"pulumi {' '.join(arguments[:2])}: {engine_errors.first_line(text)}")
    return done.stdout


def cancel_stale(engine: Engine, target: Target, result: Result) -> bool:
    """Release a lock when its process was ours on this machine and is gone; True if it was."""
    if not result.locks or not all(lock.stale for lock in result.locks):
        return False
    short(engine, target, "cancel", target.stack, "--yes")
    return True


def _environment(engine: Engine, target: Target) -> dict[str, str]:
    environment = target.full_environment()
    # The language host and its launcher lie beside an engine that was installed for us.
    environment["PATH"] = os.pathsep.join(
        [str(Path(engine.program).parent), environment.get("PATH", "")]
    )
    return environment
