"""Which stacks have their rollout plan in a file of its own.

No part of `bot/stacks.py`: that also runs beside the `stack` package of an older revision.
"""

from __future__ import annotations

from pathlib import Path

from bot import stacks
from stack import rollout_file


def named(project_dir: Path) -> dict[str, str]:
    """The plan file of each stack that names one, relative to the project."""
    files = {
        name: rollout_file.named(stacks.file_of(name, project_dir))
        for name in stacks.names(project_dir)
    }
    return {name: file for name, file in files.items() if file}
