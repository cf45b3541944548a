"""Command line of the sandbox: `python -m sandbox <command>`.

Exit codes: 0 done, 1 failed, 2 bad arguments, 3 a tool is missing.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from sandbox import cli


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A terminated or hung-up `up` cleans up after itself as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    sys.exit(cli.main(sys.argv[1:]))
