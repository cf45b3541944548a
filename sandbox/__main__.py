"""Command line of the sandbox: `python -m sandbox <command>`.

Exit codes: 0 done, 1 failed, 2 bad arguments, 3 a tool is missing, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

INTERRUPTED = 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _main() -> int:
    # A terminated or hung-up `up` cleans up after itself as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        # Here, because importing takes long enough to be interrupted.
        from sandbox import cli

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:
        # By now everything is stopped: a second Ctrl-C has nothing left to hurry.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("sandbox: interrupted; what was started is stopped\n")
        return INTERRUPTED


if __name__ == "__main__":
    from bot.cli import crash

    sys.exit(crash.guarded("python -m sandbox", _main))
