"""Programs that a test runs to their end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any


def ran(
    command: Sequence[str], *, timeout: float = 60, check: bool = False, **more: Any
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, with its output as text; more: of `subprocess.run`."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, check=check, **more
    )
