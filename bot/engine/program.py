"""What the engine evaluates: the stack's program, inline, or that of another revision beside us.

Inline, the engine calls back into this process, so that it needs no language host and no second
Python: `program` of the project's __main__.py. That of another folder has modules of the same names
and pins of its own, and a __main__.py may have no `program`: a process of its own serves those
(bot/engine/program_server.py).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import stacks
from bot.cli import crash
from bot.clients.target import Target
from bot.exit_codes import BotError

_MAIN = "__main__.py"
_SERVER = Path(__file__).with_name("program_server.py")
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Program:
    """inline: what runs in this process. client: address of the process that runs another's."""

    inline: Callable[[], Awaitable[None]] | None = None
    client: str = ""


def preload() -> None:
    """Import what an inline program needs, which takes longer than the engine needs to start."""
    from stack import program  # noqa: F401


@contextmanager
def served(target: Target, environment: Mapping[str, str]) -> Iterator[Program]:
    """The program of a target, as long as the block lasts; raises BotError where it cannot run."""
    folder = target.project_dir
    ours = folder.resolve() == stacks.PROJECT_DIR.resolve()
    if (ours and stacks.has_program(folder)) or not (folder / _MAIN).is_file():
        own_program = Inline(target)
        try:
            yield Program(inline=own_program)
        finally:
            own_program.stop()
        return
    own = folder / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    process = subprocess.Popen(
        [python, "-P", "-B", str(_SERVER), _MAIN],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,  # It ends when this is closed, also where we are killed.
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            raise BotError(f"the program in {folder} cannot be run by {python}: see above")
        yield Program(client=address)
    finally:
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Inline:
    """The stack's program, for the Automation API to call when the engine asks for it.

    It runs in a thread of the API's, which outlives an engine that is killed: `stop` ends it.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stop: Callable[[], object] = lambda: None
        self._over = threading.Event()
        self._over.set()

    async def __call__(self) -> None:
        """Register the stack's resources; raises RunError where its files are not what was read."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._over.clear()
        self._stop = lambda: loop.call_soon_threadsafe(task.cancel) if task else None
        try:
            await evaluate(self._target)
        finally:
            self._over.set()

    def stop(self) -> None:
        """End the program where it still waits for an engine that is gone."""
        if not self._over.is_set():
            with suppress(RuntimeError):  # Its loop was closed just now.
                self._stop()
            self._over.wait(_STOP_SECONDS)


async def evaluate(target: Target) -> None:
    """Register the stack's resources; raises RunError where its files are not what was read."""
    import pulumi
    from pulumi.runtime.config import CONFIG

    from schema.faults import ConfigError
    from stack import program as stack_program
    from stack.arguments import chart_refs
    from stack.charts import ChartError, Charts
    from stack.load import from_engine

    try:
        config = from_engine(CONFIG.get(), pulumi.get_stack(), target.project_dir)
        charts = Charts(target.project_dir)
        charts.link(*chart_refs(config, charts).values())
    except (ConfigError, ChartError) as error:
        raise pulumi.RunError(str(error)) from None
    if open_values(config) != open_values(target.config):
        raise pulumi.RunError(f"Pulumi.{target.stack}.yaml: changed during the run: run it again")
    own = stacks.program_of(target.project_dir)
    await crash.program(
        own(config, charts) if own else stack_program.run(config, charts, target.project_dir)
    )


def open_values(config: Any) -> Any:
    """A config as data, without what is secret: that is encrypted in the file the bot has read."""
    from stack.meant import SECRETS

    def masked(value: Any, path: tuple[str, ...]) -> Any:
        if path in SECRETS:
            return None
        if isinstance(value, Mapping):
            return {key: masked(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [masked(item, path) for item in value]
        return value

    return masked(config.model_dump(mode="json", by_alias=True), ())
