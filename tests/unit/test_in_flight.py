"""How much of a program is under way at once: a bound, whatever the number of namespaces."""

from __future__ import annotations

import functools
import gc
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from bot.plan.mock.engine import evaluate, run_program
from bot.plan.mock.monitor import RecordingMonitor, Resource
from components import base
from components.base import KubernetesObject
from stack import in_flight, platform
from stack.in_flight import InFlight
from tests.unit.bot_project import PROJECT_DIR
from tests.unit.stack_files import good, write

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
NAMESPACES, SERVICES, PARTS = 12, 2, 3


class Watched(RecordingMonitor):
    """Counts what was made of policies and is not recorded yet."""

    def __init__(self, preview: bool) -> None:
        super().__init__(preview)
        self.made = self.most = 0

    def add(self) -> None:
        """An object that is made now."""
        self.made += 1
        recorded = sum(map(of_policies, list(self.recorded.values())))
        self.most = max(self.most, self.made - recorded)


def of_policies(resource: Resource) -> bool:
    """True for an object of a policy component."""
    return resource.custom and resource.name.startswith("policy-")


def chain(name: str, length: int) -> pulumi.Resource:
    """Objects of which each comes after the one before; the last."""
    last: pulumi.Resource | None = None
    for at in range(length):
        opts = pulumi.ResourceOptions(depends_on=[last] if last else [])
        last = KubernetesObject(f"{name}-{at}", CONFIG_MAP, opts)
    assert last is not None
    return last


@pytest.mark.parametrize("parts", [1, 4])
def test_no_more_parts_are_under_way_than_there_is_room_for(parts: int) -> None:
    """Memory is what is under way: it must not grow with the number of parts."""
    most = 0

    async def body() -> None:
        nonlocal most
        room = InFlight(parts)
        for number in range(20):
            last = chain(f"part{number}", 3)
            names = {f"part{n}-{at}" for n in range(number + 1) for at in range(3)}
            most = max(most, len(names - {each.name for each in monitor.recorded.values()}))
            await room.after([last])

    monitor = RecordingMonitor(preview=True)
    run_program(body, monitor, "test")
    assert most == 3 * parts
    assert len(monitor.recorded) == 60


def test_a_part_of_nothing_and_one_of_several_ends_are_waited_for() -> None:
    """A service without ports has no last object; one with two ports has two."""

    async def body() -> None:
        room = InFlight(1)
        await room.after([])
        ends = [chain("a", 2), chain("b", 2)]
        await room.after(ends)
        recorded.append(len(monitor.recorded))

    recorded: list[int] = []
    monitor = RecordingMonitor(preview=True)
    run_program(body, monitor, "test")
    assert recorded == [4]


def test_what_fails_under_way_is_raised_at_the_end_as_ever() -> None:
    """The SDK says which resource it was; and what does not need it is not left out before that."""

    async def body() -> None:
        room = InFlight(1)
        chain("twice", 1)
        await room.after([chain("twice", 1)])
        await room.after([chain("later", 1)])

    monitor = RecordingMonitor(preview=True)
    with pytest.raises(ValueError, match="two resources with the URN"):
        run_program(body, monitor, "test")
    assert "later-0" in {each.name for each in monitor.recorded.values()}


def sections() -> dict[str, Any]:
    """A stack with many namespaces and services, each with probes and metrics."""
    port = {"port": 8080, "allow": [{"serviceAccounts": ["a"]}], "probes": ["/"], "metrics": "/m"}
    services = [
        {"name": f"s{at}", "selector": {"app": f"s{at}"}, "ports": [port]} for at in range(SERVICES)
    ]
    names = [f"team-{at}" for at in range(NAMESPACES)]
    made = {
        **good(),
        "rollout": {"waves": [{"name": "all", "state": "on", "namespaces": names}]},
        "policy": {
            "namespaces": {
                name: {"defaultInboundPolicy": "deny", "services": services} for name in names
            }
        },
        "egress": {"namespaces": {name: {"mode": "deny", "hosts": []} for name in names}},
    }
    # No part twice: a stack file has no aliases.
    return dict(json.loads(json.dumps(made)))


def whole(folder: Path, patch: pytest.MonkeyPatch, parts: int) -> tuple[Any, Watched]:
    """The program of that stack, at a pace."""
    monitor = Watched(preview=True)
    made = base.KubernetesObject.__init__

    def init(self: KubernetesObject, name: str, *given: Any, **more: Any) -> None:
        made(self, name, *given, **more)
        if name.startswith("policy-"):
            monitor.add()

    patch.setattr(base.KubernetesObject, "__init__", init)
    patch.setattr(platform, "InFlight", functools.partial(InFlight, parts))
    return evaluate(write(folder, sections()), PROJECT_DIR, monitor=monitor), monitor


def test_the_program_keeps_the_pace_and_makes_the_same_at_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 namespaces with 2,000 services took a gigabyte when all of it was under way at once."""
    with monkeypatch.context() as patch:
        slow, paced = whole(tmp_path, patch, PARTS)
    with monkeypatch.context() as patch:
        fast, unpaced = whole(tmp_path, patch, 10_000)
    assert slow.resources == fast.resources
    assert slow.exports == fast.exports
    total = sum(map(of_policies, slow.resources))
    parts = NAMESPACES * (1 + SERVICES)
    # Of the namespace's own policy there is more than of a service's.
    largest = max(
        sum(each.parent == component.urn for each in slow.resources)
        for component in slow.resources
        if component.type.startswith("linkerd-platform:policy:")
    )
    assert unpaced.most == total > 5 * parts
    assert paced.most <= PARTS * largest < total / 2


def test_there_is_room_for_more_than_an_engine_applies_at_once() -> None:
    """Else an update would wait for the program: it applies some dozens, of 9 objects a part."""
    assert in_flight.PARTS >= 32


def test_an_object_is_no_more_than_its_urn_and_its_id() -> None:
    """Each further output is kept with a copy of the manifest for as long as the program runs."""
    kept: list[KubernetesObject] = []

    async def body() -> None:
        kept.append(KubernetesObject("o", {**CONFIG_MAP, "data": {"a": "b"}}))

    monitor = RecordingMonitor(preview=True)
    run_program(body, monitor, "test")
    (made,) = kept
    assert {key for key, each in vars(made).items() if isinstance(each, pulumi.Output)} == {
        "urn",
        "id",
    }
    (recorded,) = monitor.recorded.values()
    assert recorded.inputs == {**CONFIG_MAP, "data": {"a": "b"}}


def test_cycles_are_looked_for_seldom(tmp_path: Path) -> None:
    """As often as Python looks through all that is kept, it is a quarter of the time."""
    looks: list[str] = []
    usual = gc.get_threshold()
    gc.callbacks.append(lambda phase, _: looks.append(phase))
    try:
        made = evaluate(write(tmp_path, sections()), PROJECT_DIR)
    finally:
        gc.callbacks.pop()
        gc.set_threshold(*usual)
    # Without the setting it is half as many as there are resources.
    assert looks.count("start") < len(made.resources) / 8
