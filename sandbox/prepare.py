"""What `make sandbox` needs before it deploys: programs, charts, and words about both.

While a person waits for them, it is shown what will be made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bot.cli import fetch_charts
from bot.engine import sandbox_stack
from bot.exit_codes import BadInputError
from sandbox import hosts, module_charts, providers, toolchain
from sandbox.outline import outline
from stack import load
from stack.arguments import chart_refs
from stack.charts import ChartError, Charts
from stack.charts.sources import LocationError, SourceError, Wanted, source
from stack.config import StackConfig

# What runs the program: a language host is not needed, two of the plugins have stand-ins.
ENGINE = ("pulumi", "pulumi-resource-kubernetes")
_LINKERD = "linkerd-"


@dataclass(frozen=True)
class Found:
    """notes: lines to be said first and last. whole: False where the mesh itself is left out."""

    notes: tuple[str, ...] = ()
    whole: bool = True


def prepare(project_dir: Path, servers: Sequence[str], say: Callable[[str], None]) -> Found:
    """Have programs and charts in place, on PATH and in the sandbox's folder.

    servers: what is needed beside the engine. Raises ToolMissing, ChartError, BadInputError.
    """
    names = (*servers, *ENGINE)
    extra = [n for n in toolchain.ENGINE_TOOLS if n not in ENGINE]
    absent = [name for name in names if toolchain.find(name) is None]
    known = sandbox_stack.charts_in_use(project_dir)
    if absent or (not known and _absent(project_dir)):
        say("\n".join(outline(project_dir)))
    toolchain.download((*names, *extra), _aside)
    if reason := toolchain.missing_reason(names):
        raise toolchain.ToolMissing(reason)
    with ThreadPoolExecutor(1) as other:
        charts = other.submit(charts_ready, project_dir, _aside)
        toolchain.ensure(names, say)
        notes = charts.result()
    os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], str(toolchain.path_folder())))
    standins = _standins(project_dir)
    whole = sandbox_stack.charts_in_use(project_dir).get("linkerd", True)
    return Found(tuple(note for note in (standins, *notes) if note), whole)


def _aside(text: str) -> None:
    # The first line on standard output says what will be.
    print(text, file=sys.stderr, flush=True)


def _standins(project_dir: Path) -> str:
    """Put stand-ins where plugins cannot be had; what is to be said of it, empty where all can."""
    names = [n for n in providers.NAMES if toolchain.find(f"pulumi-resource-{n}") is None]
    providers.place(project_dir, names)
    if not names:
        return ""
    plugins = " and ".join(f"pulumi-resource-{name}" for name in names)
    return (
        f"STAND-INS for {plugins}, which cannot be had here: for the sandbox alone, every other "
        "stack needs the plugins (SANDBOX_MIRROR=url)"
    )


def charts_ready(project_dir: Path, say: Callable[[str], None]) -> tuple[str, ...]:
    """Have the sandbox stack's charts in place; returns what is to be said of them.

    From the cache, their repositories, or a Go module. Without Linkerd's own the stack ends before
    it. Raises ChartError where not even that can be had.
    """
    absent = _absent(project_dir)
    reasons = fetch(project_dir, absent, say) if absent else {}
    absent = _absent(project_dir)
    of_modules = [name for name in absent if name in module_charts.NAMES]
    lost = [name for name in absent if name.startswith(_LINKERD)]
    try:
        versions = module_charts.make(of_modules, project_dir)
    except module_charts.NoModuleError as error:
        names = ", ".join(absent)
        raise ChartError(
            f"chart archives missing: {names}: {next(iter(reasons.values()), 'not there')}; "
            f"{error}. CHARTS_LOCATION names a mirror or a folder that has them"
        ) from None
    sandbox_stack.use_charts(project_dir, versions, linkerd=not lost)
    notes = []
    if lost:
        notes.append(
            f"WITHOUT LINKERD: {', '.join(lost)} cannot be had ({reasons.get(lost[0], '')}): "
            "everything up to it is deployed and proven; CHARTS_LOCATION=(mirror or folder) adds it"
        )
    if versions:
        names = ", ".join(f"{name} {version}" for name, version in versions.items())
        notes.append(f"CHARTS OUT OF GO MODULES, for the sandbox alone: {names}")
    return tuple(notes)


def _absent(project_dir: Path) -> list[str]:
    """Names of the sandbox stack's charts that cannot be linked; raises ChartError for a damage."""
    charts = Charts(project_dir)
    absent = []
    for ref in chart_refs(stack_config(project_dir), charts).values():
        try:
            charts.link(ref)
        except ChartError:
            if charts.source_of(ref).is_file():
                raise
            whole = ref.name in charts.entries
            absent.append(ref.name if whole else ref.name.removesuffix("-crds"))
    return list(dict.fromkeys(absent))


def stack_config(project_dir: Path) -> StackConfig:
    """The tracked stack's config; the files that it names need not be there yet."""
    from bot.plan.mock.values import throwaway_certificate

    return load.from_file(project_dir / sandbox_stack.TRACKED, lambda _: throwaway_certificate())


def fetch(project_dir: Path, names: list[str], say: Callable[[str], None]) -> Mapping[str, str]:
    """Download charts into the cache, all at once; returns why one could not be had.

    Raises BadInputError for a CHARTS_LOCATION that is none.
    """
    location = os.environ.get("CHARTS_LOCATION")
    charts = Charts(project_dir)
    wanted = fetch_charts.wanted_of(charts)
    try:
        get = source(location)
    except LocationError as error:
        raise BadInputError(str(error)) from None
    known = hosts.Hosts(lambda _text: None)

    def address(chart: Wanted) -> str:
        return location or chart.repository or chart.url or ""

    def reached(chart: Wanted) -> bytes:
        # A host that does not answer is left after 5 s, not after a minute for each chart.
        if address(chart).startswith(("http://", "https://")):
            try:
                known.reach(address(chart))
            except hosts.UnreachableError as error:
                raise SourceError(str(error)) from None
        return get(chart)

    def one(name: str) -> tuple[str, str]:
        try:
            digest = charts.entries[name].digest
            fetch_charts.fetch_one(charts, wanted[name], digest, reached)
        except (SourceError, OSError) as error:
            return name, " ".join(str(error).split())
        return name, ""

    with ThreadPoolExecutor(len(names)) as pool:
        reasons = {name: reason for name, reason in pool.map(one, names) if reason}
    for reason in dict.fromkeys(reasons.values()):
        say(f"charts: {reason}")
    return reasons
