"""When a process started: with its number it names one process for good."""

from __future__ import annotations

import subprocess
from pathlib import Path


def start_time(pid: int) -> str | None:
    """Return when the process `pid` started, in the system's own units; None when it is gone.

    A zombie counts as gone: it holds nothing and cannot be signalled away.
    """
    try:
        # Fields after the command, which may itself hold spaces and brackets (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _start_time_from_ps(pid)
    except ProcessLookupError:
        return None  # It ended between opening and reading.
    return None if fields[0] in "ZX" else fields[19]


def _start_time_from_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None
