"""What the tiers test with, as far as this machine can have it: programs, charts, CRDs.

Each is had as the sandbox has it: from PATH, the cache, upstream or a mirror, or by a Go build as
long as the time for it lasts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from bot.exit_codes import BotError
from sandbox import module_charts, prepare, toolchain
from sandbox.tools import TEST_TOOLS
from stack.charts import ChartError, Charts
from tests.unit.crd_schemas import crds_in_archive

PROJECT = Path(__file__).resolve().parent.parent
# What is built for the tier `e2e`, the most useful first; and what its tests then take, measured
# on two cores in minutes.
E2E: tuple[tuple[tuple[str, ...], int], ...] = (
    (toolchain.SERVERS, 12),
    (prepare.ENGINE, 25),
    (tuple(name for name in TEST_TOOLS if name != "helm"), 25),
)
CRDS = ".local/crds"
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Machine:
    """What has been had so far. minutes: what the whole run may take, tests included."""

    def __init__(self, minutes: int, say: Callable[[str], None]) -> None:
        self._say = say
        self._minutes = minutes
        self._started = time.monotonic()
        self._planned = self._spent = 0.0
        self._with_crds = False

    def ready(self, tier: str) -> dict[str, str]:
        """Have what a tier needs; returns the environment to test in."""
        if tier == "charts":
            self._have(("helm",), 5)
        if tier == "e2e":
            for names, tests in E2E:
                self._have(names, tests)
        if tier in ("charts", "e2e"):
            self._charts()
        made = {toolchain.BUILD_LIMIT: str(self._left(0))}
        if folder := self._crds():
            made["CRDS_DIR"] = str(folder)
        path = os.environ.get("PATH", os.defpath)
        tools = toolchain.path_folder((*toolchain.ENGINE_TOOLS, *TEST_TOOLS))
        made["PATH"] = os.pathsep.join((path, str(tools)))
        return made

    def _left(self, reserve: float) -> int:
        """Minutes that building may take, on two quiet cores; this machine may be slower."""
        pace = max(1.0, self._spent / self._planned) if self._planned else 1.0
        gone = (time.monotonic() - self._started) / 60
        return max(0, int((self._minutes - gone - reserve) / pace))

    def _have(self, names: Iterable[str], reserve: float) -> None:
        names = list(names)
        try:
            toolchain.download(names, self._say)
            absent = [name for name in names if toolchain.find(name) is None]
            needed, left = toolchain.minutes(absent), self._left(reserve)
            if not absent or needed > left or toolchain.missing_reason(absent):
                return  # The tests that need them say why they are skipped.
            begun = time.monotonic()
            toolchain.ensure(absent, self._say)
            self._spent += (time.monotonic() - begun) / 60
            self._planned += needed
        except toolchain.ToolMissing as error:
            self._say(str(error))

    def _charts(self) -> None:
        try:
            missing = [name for name in Charts(PROJECT).missing() if name != "linkerd-buoyant"]
            if missing:
                prepare.fetch(PROJECT, missing, self._say)
        except (ChartError, BotError) as error:
            self._say(str(error))

    def _crds(self) -> Path | None:
        """The folder of the CRDs where nobody names one: made of modules and charts."""
        if os.environ.get("CRDS_DIR") or (PROJECT.parent / "shared" / "crds").is_dir():
            return None
        if not self._with_crds:
            try:
                write_crds(PROJECT / CRDS)
            except module_charts.NoModuleError as error:
                self._say(f"CRDs out of Go modules: {error}")
                return None
            self._with_crds = True
        return PROJECT / CRDS


def write_crds(folder: Path) -> None:
    """Write a manifest of CRDs for each operator; raises NoModuleError."""
    found = module_charts.crds()
    linkerd = Charts(PROJECT).source("linkerd-crds")
    if linkerd.is_file():
        found["linkerd"] = yaml.dump_all(crds_in_archive(linkerd), Dumper=_Dumper).encode()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in found.items():
        (folder / f"{name}.yaml").write_bytes(text)
