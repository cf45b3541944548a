"""Stand-ins for the plugins of vault and random, for the sandbox where those cannot be had.

Programs of the project's own Python, over Vault's API, with the types, properties and changes of
the plugins for exactly what our program registers. Only the sandbox's target has their folder on
PATH, behind everything else; no other stack ever sees them.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from pathlib import Path

from bot.engine.target import STANDINS_DIR

_CODE = Path(__file__).resolve().parents[2]
NAMES = ("random", "vault")


def place(project_dir: Path, names: Collection[str]) -> Path:
    """Put the stand-ins of these plugins, and no others, into the sandbox's folder for them."""
    folder = project_dir / STANDINS_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in NAMES:
        file = folder / f"pulumi-resource-{name}"
        if name not in names:
            file.unlink(missing_ok=True)
            continue
        new = file.with_name(f".{file.name}")
        new.write_text(
            f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(_CODE))} "
            f'exec {shlex.quote(sys.executable)} -m sandbox.providers {name} "$@"\n'
        )
        new.chmod(0o700)
        new.replace(file)
    return folder
