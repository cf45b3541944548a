"""Rules of the rollout plan and of the workload defaults. Each gives every fault it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from components.cluster import HasCluster, needs_a_cluster
from components.rollout import plan
from components.rollout.plan import HasPlan
from components.rollout.section import RolloutWave
from components.rollout.workloads import HasWorkloads, ProxyDefaults
from schema.faults import Fault
from schema.values import Duration
from schema.words import WORKLOAD_KINDS
from schema.yaml_file import Path_

_WAVES = ("rollout", "waves")
# Fewer say nothing: Prometheus needs two scrapes to tell a rate.
_LEAST_WINDOW = Duration(120)


class _Config(HasPlan, HasWorkloads, HasCluster, Protocol):
    """The sections that the rules compare."""


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `rollout` and `workloads`.

    - `rollout.file` stands alone in its section and names a file inside of the project, where links
      lead too; what is at fault in it is told with its own name and line.
    - `rollout.waves`: a namespace is in one wave, once; none is of those that are never meshed; one
      wave takes the rest; days do not go backwards; a wave that is not `off` names its namespaces.
    - `workloads.namespaces` are in a wave and not opted out; a port is listed once.
    """
    used: dict[Path_, bool] = {
        ("rollout",): bool(config.rollout.waves),
        ("workloads",): bool(config.workloads.namespaces),
    }
    yield from needs_a_cluster(config, used)
    yield from _waves(config)
    yield from _namespaces(config)
    yield from _workloads(config)
    if config.rollout.gates.window < _LEAST_WINDOW:
        yield Fault(
            ("rollout", "gates", "window"),
            f"{config.rollout.gates.window} is too short to measure in: write at least "
            f"{_LEAST_WINDOW}",
        )


def _waves(config: _Config) -> Iterator[Fault]:
    names: list[str] = []
    rest: str | None = None
    day, dated = "", ""
    for index, wave in enumerate(config.rollout.waves):
        path = (*_WAVES, index)
        if wave.name in names:
            yield Fault((*path, "name"), f"{wave.name!r} is the name of two waves: take another")
        if wave.rest and rest is not None:
            yield Fault(
                (*path, "rest"),
                f"wave {rest!r} takes the rest already: remove it here, or there",
            )
        yield from _empty(path, wave)
        if wave.date is not None and wave.date < day:
            yield Fault(
                (*path, "date"),
                f"{wave.date} is before {day} of wave {dated!r}, which comes first: "
                "swap the waves, or write a later day",
            )
        names.append(wave.name)
        rest = wave.name if wave.rest and rest is None else rest
        if wave.date is not None and wave.date > day:
            day, dated = wave.date, wave.name


def _empty(path: tuple[str | int, ...], wave: RolloutWave) -> Iterator[Fault]:
    if wave.namespaces:
        return
    if not wave.labels and not wave.rest:
        yield Fault(
            (*path, "namespaces"),
            f"wave {wave.name!r} has no namespace: list some, or give labels or rest: true",
            looks_at=((*path, "labels"), (*path, "rest")),
        )
    elif wave.state != "off":
        yield Fault(
            (*path, "namespaces"),
            f"wave {wave.name!r} is {wave.state!r} and names no namespace, so nothing would "
            "happen: `python -m bot rollout next` writes the names",
            looks_at=((*path, "state"),),
        )


def _namespaces(config: _Config) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for wave_index, wave in enumerate(config.rollout.waves):
        for index, namespace in enumerate(wave.namespaces):
            path = (*_WAVES, wave_index, "namespaces", index)
            name = namespace.name
            if name in seen:
                where = "twice in" if seen[name] == wave.name else f"in wave {seen[name]!r} and in"
                yield Fault(path, f"{name!r} is {where} wave {wave.name!r}: keep one of the two")
            seen.setdefault(name, wave.name)
            if why := plan.forbidden(config, name):
                yield Fault(
                    path,
                    f"{name!r} is never meshed: it {why}; remove it from the plan",
                    looks_at=(("rollout", "never"), ("viz", "prometheusUrl"), ("vault", "address")),
                )
            out = namespace.workloads.opt_out
            if namespace.opt_out and out:
                yield Fault(
                    (*path, "workloads", "optOut"),
                    f"{name!r} is outside as a whole: remove optOut, or these workloads",
                    looks_at=((*path, "optOut"),),
                )
            for at, workload in enumerate(out):
                if workload in out[:at]:
                    yield Fault((*path, "workloads", "optOut", at), f"{workload!r} is listed twice")


def _workloads(config: _Config) -> Iterator[Fault]:
    planned = {namespace.name: namespace for _, namespace in plan.named(config)}
    for name, defaults in config.workloads.namespaces.items():
        path = ("workloads", "namespaces", name)
        if name not in planned:
            yield Fault(
                path,
                f"no wave of rollout has the namespace {name!r}, so no proxy would read this: "
                "add it to a wave, or remove it",
                looks_at=(_WAVES,),
            )
        elif planned[name].opt_out:
            yield Fault(
                path,
                f"{name!r} is outside the mesh (optOut), so no proxy would read this: remove it",
                looks_at=(_WAVES,),
            )
        yield from _ports(path, defaults)
        for workload, override in defaults.overrides.items():
            yield from _ports((*path, "overrides", _written(workload)), override)


def _written(workload: str) -> str:
    """A workload as it most likely stands in the file, for the line of a fault."""
    kind, _, name = workload.partition("/")
    short = next(key for key, value in WORKLOAD_KINDS.items() if value == kind)
    return f"{short}/{name}"


def _ports(path: tuple[str | int, ...], defaults: ProxyDefaults) -> Iterator[Fault]:
    lists = {
        "opaquePorts": defaults.opaque_ports,
        "skipInboundPorts": defaults.skip_inbound_ports,
        "skipOutboundPorts": defaults.skip_outbound_ports,
    }
    for key, ports in lists.items():
        for index, port in enumerate(ports):
            if port in ports[:index]:
                yield Fault((*path, key, index), f"{port} is listed twice")
    both = set(defaults.opaque_ports) & set(defaults.skip_inbound_ports)
    for port in sorted(both & set(defaults.skip_outbound_ports), key=_first):
        yield Fault(
            (*path, "opaquePorts", defaults.opaque_ports.index(port)),
            f"{port} is skipped in both directions, so no proxy sees it: remove it here",
            looks_at=((*path, "skipInboundPorts"), (*path, "skipOutboundPorts")),
        )


def _first(ports: str) -> int:
    return int(ports.split("-")[0])
