"""A project with a fleet of two waves, and the options of `up --wave`, for tests."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.engine import Engine
from stack import fleet
from tests.unit import bot_project

ENGINE = Engine("pulumi", "v3.260.0")
REPO = bot_project.PROJECT_DIR


def two_waves() -> str:
    """One canary, then two clusters that need an approval each."""
    return """\
owner: trust
waves:
  - name: canary
    clusters:
      - {stack: one, environment: staging}
  - name: production
    approval: required
    clusters:
      - {stack: europe, environment: production}
      - {stack: america, environment: production}
"""


def project(folder: Path, text: str) -> Path:
    """A project with this fleet file; its clusters are like the project's own staging."""
    made = folder / "project"
    made.mkdir()
    (made / fleet.FILE).write_text(text, encoding="utf-8")
    (made / "Pulumi.trust.yaml").write_bytes((REPO / "Pulumi.trust.yaml").read_bytes())
    staging = (REPO / "Pulumi.staging.yaml").read_text(encoding="utf-8")
    for name in ("one", "europe", "america"):
        text = staging.replace("name: staging", f"name: {name}").replace(
            "api.staging", f"api.{name}"
        )
        (made / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")
    return made


def options(wave: str, **more: object) -> argparse.Namespace:
    """What the parser of `up` makes of `--wave`, with different values for some."""
    values: dict[str, object] = {
        "wave": wave,
        "stack": None,
        "yes": False,
        "approved": None,
        "approved_dir": None,
        "parallel": None,
        "json": False,
        "refresh": False,
        "allow": [],
        "no_verify": False,
        "skip_waves": False,
        "reason": None,
        "wait": 0.0,
        "timeout": 1800.0,
    }
    return argparse.Namespace(**{**values, **more})
