"""Evaluates the program of one revision, in a process that holds nothing else.

Started by bot/plan/base_process.py as a script in Python's isolated mode. `schema`,
`components` and `stack` come from the revision's tree, `bot` from the project that runs the plan,
and nothing from anywhere else; the answer is a file, because what the program prints is not ours.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Read the order from stdin, write the answer to the file that it names."""
    order: dict[str, Any] = json.loads(sys.stdin.read())
    resource.setrlimit(resource.RLIMIT_AS, (order["memory"], order["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever watches the time may be killed before us.
    resource.setrlimit(resource.RLIMIT_CPU, (order["seconds"], order["seconds"]))
    # What the program prints goes where its errors go, which nobody shows as it is.
    os.dup2(2, 1)
    tree = Path(order["tree"])
    os.chdir(tree)
    # The evaluator first: a `bot` of the revision's own is not what evaluates it.
    sys.path[:0] = [order["evaluator"], str(tree)]
    sys.path.append(order["ground"])
    from bot.plan.base_evaluate import answer

    out = Path(order["out"]) if order["out"] else None
    made = answer(tree, order["stacks"], out, judged=order["judged"])
    file = Path(order["answer"])
    file.with_suffix(".part").write_text(made.model_dump_json(), encoding="utf-8")
    file.with_suffix(".part").replace(file)


if __name__ == "__main__":
    main()
