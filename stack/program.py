"""The program between its config and its outputs: what the engine and a plan both run."""

from __future__ import annotations

import gc
from pathlib import Path

import pulumi

from stack.charts import Charts
from stack.config import StackConfig
from stack.platform import Platform

# What the SDK keeps of a request is cycles. To look for them after 700 objects, as Python does,
# takes a quarter of the time where resources are thousands, and frees no memory to speak of.
_OBJECTS_BEFORE_A_LOOK = 10_000


async def run(config: StackConfig, charts: Charts, project_dir: Path) -> None:
    """Register every resource of the stack and export its outputs.

    Runs on the SDK's event loop, by `pulumi.run` or `run_in_stack`.
    """
    gc.set_threshold(_OBJECTS_BEFORE_A_LOOK, *gc.get_threshold()[1:])
    platform = Platform(config, charts, project_dir)
    await platform.workloads()
    for name, value in platform.outputs.items():
        pulumi.export(name, value)
