"""Pulumi's Automation API as the bot uses it: one workspace, one stack, one controlled command.

`pulumi.automation` runs the engine's command line and gives no handle on it. Everything that it
runs goes through `PulumiCommand.run`: ours starts the engine in a session of its own, reads the
event log as it grows, ends it after a time-out, passes one interrupt on (bot/engine/process.py).
https://www.pulumi.com/docs/iac/automation-api/
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation import CommandResult, OutputMap, UpdateSummary
from pulumi.automation._stack import StackInitMode
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from bot.clients.target import Target
from bot.engine import runs
from bot.engine.process import Ending, EngineProcess, Event

SHORT_SECONDS = 60.0
_EVENT_LOG = "--event-log"
Take = Callable[[Event | None], None]


class EngineCommand(auto.PulumiCommand):
    """The engine's program, under control.

    environment: all that it gets. take: called with each event, and with None twenty times a
    second. timeout: seconds. client: who evaluates the program, where this process does not.
    flags: what the API has no argument for. ran, ending, errors: the last command, how an operation
    ended, and its standard error.
    """

    def __init__(
        self,
        program: str,
        version: str,
        target: Target,
        environment: Mapping[str, str],
        *,
        take: Take = lambda _event: None,
        timeout: float = SHORT_SECONDS,
        client: str = "",
        flags: Sequence[str] = (),
    ) -> None:
        # Not the parent's: it asks for the version again, which takes a run of the engine.
        self.command = program
        self.version = VersionInfo.parse(version.removeprefix("v"))
        self.ending: Ending | None = None
        self.errors = ""
        self.ran: list[str] = []
        self._target = target
        self._environment = dict(environment)
        self._take = take
        self._timeout = timeout
        self._client = client
        self._flags = list(flags)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """Run one command; raises CommandError where it fails."""
        del on_output, on_error  # What the engine writes for a terminal is read by nobody.
        self.ran = list(args)
        environment = {**self._environment, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        command = [self.command, *args, "--non-interactive"]
        run = self._operation if _EVENT_LOG in args else self._short
        result = run(command, cwd, environment)
        if result.code:
            raise create_command_error(result)
        return result

    def _operation(
        self, command: list[str], cwd: str, environment: Mapping[str, str]
    ) -> CommandResult:
        log = Path(command[command.index(_EVENT_LOG) + 1])
        command = [*command, "--suppress-permalink", *self._flags]
        if self._client:
            command.append(f"--client={self._client}")
        text_log = log.with_name("stderr")
        process = EngineProcess(
            command, environment, Path(cwd), log, text_log, timeout=self._timeout
        )
        where = self._target.project_dir, self._target.stack
        with runs.noted(*where, command[1], process.process.pid):
            for event in process.events():
                self._take(event)
        self._take(None)
        if process.ending is None:
            raise RuntimeError("the engine ended without an exit code")
        self.ending = process.ending
        self.errors = text_log.read_text(errors="replace")
        return CommandResult("", self.errors, self.ending.code)

    def _short(self, command: list[str], cwd: str, environment: Mapping[str, str]) -> CommandResult:
        if command[1:3] == ["stack", "init"]:
            # Which stack is selected is the user's own setting, and the API has no argument for it.
            command.append("--no-select")
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=self._timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.errors = done.stderr
        return CommandResult(done.stdout, done.stderr, done.returncode)


class Workspace(auto.LocalWorkspace):
    """A workspace in which nothing is selected and no secret is read."""

    def select_stack(self, stack_name: str) -> None:
        """Do nothing: every command is given the stack's name."""

    def stack_outputs(self, stack_name: str) -> OutputMap:  # noqa: ARG002
        """Give no outputs: the API would read them in clear after each update, for nobody."""
        return {}

    def export_stack(self, stack_name: str) -> auto.Deployment:
        """The state as it is kept: its secrets stay encrypted."""
        text = self._run_pulumi_cmd_sync(["stack", "export", "--stack", stack_name]).stdout
        document = json.loads(text)
        return auto.Deployment(
            version=document.get("version"), deployment=document.get("deployment")
        )


class Stack(auto.Stack):
    """A stack whose operations are one run of the engine each, with the event log in a file.

    The API's own event stream drops what its classes do not know, and what a callback raises.
    """

    def info(self, show_secrets: bool = False) -> UpdateSummary:  # noqa: ARG002
        """Say nothing of the last update, which would be one more run of the engine."""
        return UpdateSummary("update", datetime.now(UTC), "", {}, {}, "not read")

    def _setup_event_log(
        self, command: str, on_event: Callable[[auto.EngineEvent], Any], pulumi_version: str
    ) -> tuple[str, None, None, tempfile.TemporaryDirectory[str], None]:
        del pulumi_version
        folder = tempfile.TemporaryDirectory(prefix=f"linkerd-platform-{command}-")
        # A preview insists on this event; what is in it, the record has from the log.
        on_event(auto.EngineEvent(sequence=0, timestamp=0, summary_event=_SUMMARY))
        return str(Path(folder.name) / "events.json"), None, None, folder, None


_SUMMARY = auto.events.SummaryEvent(
    maybe_corrupt=False, duration_seconds=0, resource_changes={}, policy_packs={}
)


def stack(
    command: EngineCommand,
    target: Target,
    program: auto.PulumiFn | None = None,
    folder: Path | None = None,
) -> Stack:
    """The stack of a target, with its program inline.

    folder: where the engine runs; default the project's, from which paths are relative.
    """
    options = auto.LocalWorkspaceOptions(
        work_dir=str(folder or target.project_dir), program=program, pulumi_command=command
    )
    return Stack(target.engine_name, Workspace(**vars(options)), StackInitMode.SELECT)


def operate(stack: Stack, operation: str, options: Mapping[str, Any]) -> None:
    """Run an operation on a stack; raises CommandError where it fails.

    operation: `preview`, `up`, `refresh` or `destroy`; with `preview_only` the last two only look.
    """
    wanted = {"color": "never", "suppress_outputs": True, "on_event": lambda _: None, **options}
    looks = wanted.pop("preview_only", False)
    run: Mapping[str, Callable[..., object]] = {
        "preview": stack.preview,
        "up": stack.up,
        "refresh": stack.preview_refresh if looks else stack.refresh,
        "destroy": stack.preview_destroy if looks else stack.destroy,
    }
    run[operation](**wanted)
