"""Stop a sandbox that was forgotten.

    python -m sandbox.watchdog <state dir> <seconds>

It stops every process after `seconds`, or as soon as the state folder is gone.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from sandbox.processes import ProcessRecord, Supervisor, stop_record

NAME = "watchdog"
LOOK_SECONDS = 2.0
GRACE_SECONDS = 3.0


def watch(state_dir: Path, seconds: float) -> None:
    """Return after everything but this process is stopped; see the module's docstring."""
    supervisor = Supervisor(state_dir / "run", state_dir / "log")
    deadline = time.monotonic() + seconds
    known: dict[int, ProcessRecord] = {}
    while supervisor.run_dir.is_dir() and time.monotonic() < deadline:
        # Remembered here: once the folder is deleted, nobody else knows what to stop.
        known.update((record.pid, record) for record in supervisor.records())
        time.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
    known.update((record.pid, record) for record in supervisor.records())
    for record in sorted(known.values(), key=lambda each: each.order, reverse=True):
        if record.pid != os.getpid():
            stop_record(record, GRACE_SECONDS)
    for record in known.values():
        (supervisor.run_dir / f"{record.name}.json").unlink(missing_ok=True)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), float(sys.argv[2]))
