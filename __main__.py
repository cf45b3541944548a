"""The Pulumi program: load the stack's config, build the platform, export its outputs."""

import sys
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from stack.arguments import chart_refs
from stack.charts import ChartError, Charts
from stack.faults import ConfigError
from stack.load import from_engine
from stack.program import run

PROJECT_DIR = Path(__file__).resolve().parent


def main() -> None:
    """Evaluate the stack; exit code 2, and nothing registered, when its config is faulty."""
    try:
        values = {**get_config_env(), **CONFIG.get()}
        config = from_engine(values, pulumi.get_stack(), PROJECT_DIR)
        charts = Charts(PROJECT_DIR)
        charts.link(*chart_refs(config, charts).values())
    except (ConfigError, ChartError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    pulumi.run(lambda: run(config, charts, PROJECT_DIR))


main()
