"""The program between its config and its outputs: what the engine and a plan both run."""

from __future__ import annotations

from pathlib import Path

import pulumi

from stack.charts import Charts
from stack.config import StackConfig
from stack.platform import Platform


async def run(config: StackConfig, charts: Charts, project_dir: Path) -> None:
    """Register every resource of the stack and export its outputs.

    Runs on the SDK's event loop, by `pulumi.run` or `run_in_stack`.
    """
    platform = Platform(config, charts, project_dir)
    await platform.workloads()
    for name, value in platform.outputs.items():
        pulumi.export(name, value)
