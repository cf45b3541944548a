"""Several stacks looked at side by side: for commands that read, and change nothing."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from bot.cli.signals import ending_signals_interrupt

PARALLEL = 4
Asked = TypeVar("Asked")
Found = TypeVar("Found")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many at a time."""
    parser.add_argument(
        "--parallel",
        type=_number,
        default=PARALLEL,
        metavar="N",
        help=f"stacks at a time (default {PARALLEL})",
    )


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number above 0")
    return int(text)


def run_all(
    one: Callable[[Asked, threading.Event], Found],
    asked: Sequence[Asked],
    parallel: int,
    told: Callable[[Found], str],
) -> list[Found]:
    """What `one` finds for each, in the order given, `parallel` of them at a time.

    Of several, each is told on stderr when it is done. An interrupt sets the event, which ends
    every run of the engine: none of them holds a lock or writes a state.
    """
    stop = threading.Event()
    progress = sys.stderr if len(asked) > 1 else None
    with ThreadPoolExecutor(max_workers=parallel) as pool, ending_signals_interrupt():
        waiting: list[Future[Found]] = []
        try:
            # One by one: an interrupt between two of them must end those that run.
            for each in asked:
                waiting.append(pool.submit(one, each, stop))  # noqa: PERF401
            for future in as_completed(waiting):
                if progress:
                    progress.write(f"{told(future.result())}\n")
        except BaseException:
            stop.set()
            for future in waiting:
                future.cancel()
            raise
        return [future.result() for future in waiting]
