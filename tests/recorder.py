"""What a program registers, by Pulumi's own mocks: the one recorder of resources of the tests."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import config as runtime_config

from bot.plan.mock.monitor import RecordingMonitor, Resource
from bot.plan.mock.values import plain
from schema.faults import PROJECT

_MARK = "4dabf18193072939515e22adb298388d"


class Recorder(RecordingMonitor):
    """A recording monitor that keeps the outputs of components as well, and secrets in clear."""

    def __init__(self, preview: bool = False) -> None:
        super().__init__(preview)
        self.outputs: dict[str, Any] = {}
        self.clear: dict[str, Any] = {}
        self.left: dict[str, tuple[list[str], list[str]]] = {}
        self.traces: dict[str, list[tuple[str, int]]] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        answer = super().RegisterResource(request)
        self.clear[answer.urn] = _revealed(MessageToDict(request.object))
        self.left[answer.urn] = (list(request.ignoreChanges), list(request.replaceOnChanges))
        frames = [each.pc for each in request.stackTrace.frames]
        self.traces[answer.urn] = [(each.uri.rpartition("/")[2], each.line) for each in frames]
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.outputs[request.urn] = plain(request.outputs)
        return super().RegisterResourceOutputs(request)


def _revealed(value: Any) -> Any:
    """The value of a request with what is marked as secret in clear."""
    if isinstance(value, list):
        return [_revealed(item) for item in value]
    if isinstance(value, dict):
        # The SDK's mark, and the value beside it.
        return (
            _revealed(value["value"])
            if _MARK in value
            else {key: _revealed(item) for key, item in value.items()}
        )
    return value


@dataclass(frozen=True)
class Recording:
    """What a program registered, in order, and by URN the outputs of its components.

    `clear` are the inputs by URN with secrets in clear, to search them for what must not be there.
    `left` are the paths whose changes are ignored, and those whose changes replace, by URN.
    `traces` are the files and lines that the engine is told of where a resource is made, by URN.
    """

    resources: Sequence[Resource]
    outputs: Mapping[str, Any]
    clear: Mapping[str, Any]
    left: Mapping[str, tuple[list[str], list[str]]] = field(default_factory=dict, kw_only=True)
    traces: Mapping[str, list[tuple[str, int]]] = field(default_factory=dict, kw_only=True)

    def named(self, name: str) -> Resource:
        """The one resource of this name."""
        (found,) = [r for r in self.resources if r.name == name]
        return found

    def of_kind(self, ending: str) -> list[Resource]:
        """The resources whose type ends so, such as `:Certificate`."""
        return [r for r in self.resources if r.type.endswith(ending)]

    def comes_after(self, later: Resource, earlier: Resource) -> bool:
        """True when `later` waits for `earlier`, directly or by others."""
        return earlier.urn in self.needed_by(later)

    def needed_by(self, resource: Resource) -> frozenset[str]:
        """URNs of everything that the resource waits for; a component stands for its children."""
        return self._needs[resource.urn]

    @functools.cached_property
    def _needs(self) -> Mapping[str, frozenset[str]]:
        # What a resource waits for is registered before it, so one pass is enough.
        needs: dict[str, frozenset[str]] = {}
        for resource in self.resources:
            direct = frozenset(resource.dependencies)
            needs[resource.urn] = direct.union(*(needs[urn] for urn in direct))
        return needs


def record(
    body: Callable[[], object],
    preview: bool = False,
    *,
    project: str = PROJECT,
    config: Mapping[str, str] | None = None,
) -> Recording:
    """Run a program on Pulumi's mocks; raises what it raises.

    config: what `pulumi.Config` reads in it.
    """
    monitor = Recorder(preview)

    def isolated() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            pulumi.runtime.set_mocks(monitor.mocks, project, "test", preview, monitor=monitor)
            runtime_config.CONFIG.set(
                {f"{project}:{key}": value for key, value in (config or {}).items()}
            )
            pulumi.runtime.test(body)()
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    # The SDK keeps its settings in context variables: none of them outlives this call.
    contextvars.copy_context().run(isolated)
    made = tuple(monitor.recorded.values())
    return Recording(made, monitor.outputs, monitor.clear, left=monitor.left, traces=monitor.traces)
