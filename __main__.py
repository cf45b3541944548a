"""The Pulumi program: load the stack's config, build the platform, export its outputs."""

import sys
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from bot import stacks
from bot.cli import crash
from bot.exit_codes import BadInputError
from schema.errors import InputError
from stack.arguments import chart_refs
from stack.charts import Charts
from stack.config import StackConfig
from stack.load import from_engine
from stack.program import run
from stack.providers import refuse_namespace

PROJECT_DIR = Path(__file__).resolve().parent


async def program(config: StackConfig, charts: Charts) -> None:
    """Register every resource of the stack. The bot and `bot plan` call it too: add yours here."""
    await run(config, charts, PROJECT_DIR)


def main() -> None:
    """Evaluate the stack; exit code 2, and nothing registered, when its config is faulty."""
    try:
        config = from_engine({**get_config_env(), **CONFIG.get()}, stacks.current(), PROJECT_DIR)
        refuse_namespace(config.vault)
        charts = Charts(PROJECT_DIR)
        charts.link(*chart_refs(config, charts).values())
        pulumi.run(lambda: crash.program(program(config, charts)))
    except (InputError, BadInputError, pulumi.RunError) as error:
        print(error, file=sys.stderr)
        sys.exit(1 if isinstance(error, pulumi.RunError) else 2)
    except Exception as error:
        sys.exit(crash.end("the program", error))


if __name__ == "__main__":
    main()
