"""The real program on the SDK's own mock monitor: every request it makes, and nothing made.

No engine, cluster, Vault, secret or network. The program runs as the engine's language host runs
it (pulumi-language-python-exec): its own event loop in one thread, inside the root stack.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime import mocks, run_in_stack, settings

from bot import stacks
from bot.exit_codes import BadInputError
from bot.plan.mock.monitor import RecordingMonitor, Resource, Transform, transformed
from components.chart import ChartRef
from schema.faults import PROJECT
from schema.input_file import read_text
from schema.values import shown
from stack import program
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts
from stack.config import StackConfig
from stack.load import from_file

__all__ = ["Evaluation", "Resource", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """A stack's resources, its exports, and what a reader should know.

    A resource comes after its parent, its provider and its dependencies, and otherwise by its URN.
    """

    stack: str
    config: StackConfig
    resources: tuple[Resource, ...]
    exports: Mapping[str, Any]
    warnings: tuple[str, ...]
    transforms: tuple[Transform, ...] = field(repr=False)

    def transformed(self, resource: Resource) -> Resource:
        """The resource as the stack's transforms leave it: for the objects of a chart."""
        return transformed(resource, self.transforms)


def evaluate(
    stack_file: Path,
    project_dir: Path,
    preview: bool = True,
    *,
    confined: bool = False,
    monitor: RecordingMonitor | None = None,
) -> Evaluation:
    """Run the program for a stack file.

    Raises ConfigError, ChartError for a damaged archive, or what the program raises.

    With `preview` what only an apply can tell is `[known after apply]`; without it, ids and the
    trust anchor's certificate are made up, so that all of the program runs. With `confined` a
    placeholder stands for each file outside of the project that the stack file names: whoever wrote
    it may not be one who may read this machine. monitor: one that keeps more than a plan needs.
    """
    warnings: list[str] = []

    def read(path: Path) -> str:
        shown = path.relative_to(project_dir) if path.is_relative_to(project_dir) else path
        outside = not Path(os.path.realpath(path)).is_relative_to(project_dir.resolve())
        try:
            if not (confined and outside):
                return read_text(path)
            warnings.append(f"{shown} is outside of the project: replaced by a placeholder")
        except FileNotFoundError:
            warnings.append(f"{shown} does not exist: replaced by a placeholder")
        return f"[content of {path.name}]"

    config = from_file(stack_file, read)
    charts = Charts(project_dir)
    for ref in chart_refs(config, charts).values():
        try:
            charts.link(ref)
        except ChartError:
            if _is_there(charts, ref):
                raise  # a damaged archive is no missing one
            warnings.append(
                f"chart {ref.name} {ref.version}: no archive in the cache, so it is not rendered "
                "(`make charts`)"
            )
    name = stacks.name_of(stack_file)
    monitor = monitor or RecordingMonitor(preview)
    try:
        own = stacks.program_of(project_dir)
        run_program(
            lambda: own(config, charts) if own else program.run(config, charts, project_dir),
            monitor,
            name,
        )
    except Exception:
        if monitor.twice is None:
            raise
        raise BadInputError(
            f"{stack_file.name}: two of its entries create the resource "
            f"{shown(monitor.twice.rpartition('::')[2])}: rename one of them"
        ) from None
    return Evaluation(
        stack=name,
        config=config,
        resources=in_order(monitor.recorded),
        exports=monitor.exports,
        warnings=tuple(warnings),
        transforms=tuple(monitor.get_registered_transforms()),
    )


def _is_there(charts: Charts, ref: ChartRef) -> bool:
    """Whether the archive lies where it must; of the charts of an older revision as well."""
    if hasattr(charts, "source_of"):
        return charts.source_of(ref).is_file()
    whole = ref.name if ref.name in charts.entries else ref.name.removesuffix("-crds")
    return charts.source(whole).is_file()


def in_order(recorded: Mapping[str, Resource]) -> tuple[Resource, ...]:
    """The resources in an order that is the same every time, which that of the requests is not."""
    depths: dict[str, int] = {}

    def depth(urn: str) -> int:
        if urn not in depths:
            resource = recorded[urn]
            needed = {resource.parent, resource.provider, *resource.dependencies} - {None}
            depths[urn] = 1 + max((depth(str(n)) for n in needed if n in recorded), default=0)
        return depths[urn]

    return tuple(recorded[urn] for urn in sorted(recorded, key=lambda u: (depth(u), u)))


def run_program(
    body: Callable[[], Awaitable[None] | None], monitor: RecordingMonitor, stack: str
) -> None:
    """Run a program inside a root stack; returns when every request of it is answered.

    Raises what the program raises. A program may be awaited or not: a revision's own decides.
    Programs may follow one another in one process.
    """

    def isolated() -> None:
        # The SDK keeps its settings in context variables: none of them outlives this call.
        settings.ROOT.set(None)
        features = monitor.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures  # type: ignore[no-untyped-call]
        settings.configure(
            mocks.MockSettings(  # type: ignore[no-untyped-call]
                monitor=monitor,
                monitor_features=set(features),
                engine=mocks.MockEngine(logging.getLogger("pulumi")),
                project=PROJECT,
                stack=stack,
                dry_run=monitor.preview,
                organization="organization",
                callbacks=None,
                outputs=set(),
                package_refs={},
            )
        )
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        # What a failing program leaves behind unanswered is told by its own error.
        loop.set_exception_handler(lambda *_: None)
        # One thread: the monitor answers one request at a time.
        loop.set_default_executor(ThreadPoolExecutor(max_workers=1))
        try:
            loop.run_until_complete(run_in_stack(body))
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            asyncio.set_event_loop(None)

    contextvars.copy_context().run(isolated)
