"""The program between its config and its outputs: what the engine and a plan both run."""

from __future__ import annotations

from pathlib import Path

import pulumi

from stack.charts import Charts
from stack.config import StackConfig
from stack.platform import Platform


def run(config: StackConfig, charts: Charts, project_dir: Path) -> None:
    """Register every resource of the stack and export its outputs."""
    for name, value in Platform(config, charts, project_dir).outputs.items():
        pulumi.export(name, value)
