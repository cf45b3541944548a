"""What the sandbox will be made of, in a line for each component.

    python -m sandbox.outline

A process of its own: a program is evaluated once in a process, and the deployment's turn comes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bot.engine import sandbox_stack
from bot.plan import model
from bot.plan.graph import graph
from bot.text.lists import counted

_SECONDS = 60


def outline(project_dir: Path) -> list[str]:
    """The lines, in the order in which the components are made; none where it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.outline"],
            cwd=project_dir,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return []
    # What is wrong with the stack file is told when the stack is deployed.
    return done.stdout.splitlines() if done.returncode == 0 else []


def lines(plan: model.Plan) -> list[str]:
    """A line for each component: its charts with their versions, and how many resources more."""
    charts = {each.resource.urn: f"{each.name} {each.version}" for each in plan.charts}
    count = counted(len(plan.evaluation.resources), "resource")
    found = [f"It makes {count} and what is in their charts (python -m bot plan --stack sandbox):"]
    for node in graph(plan).values():
        named = [charts[each.urn] for each in node.children if each.urn in charts]
        more = len(node.children) - len(named)
        parts = [*named, *([counted(more, "resource")] if more else [])]
        found.append(f"  {node.resource.name:21} {', '.join(parts)}")
    return found


def main(project_dir: Path) -> None:
    """Print the lines."""
    [plan] = model.plans([project_dir / sandbox_stack.TRACKED], project_dir)
    sys.stdout.write("\n".join(lines(plan)) + "\n")


if __name__ == "__main__":
    main(Path.cwd())
