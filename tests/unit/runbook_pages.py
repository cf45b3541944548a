"""What the runbooks of the alerts tell an operator to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.unit.stack_files import REPO

PAGES = sorted((REPO / "docs" / "runbooks" / "alerts").glob("*.md"))


def promql() -> list[tuple[str, str]]:
    """Each query, with the name of its page."""
    return [(page.stem, line) for page in PAGES for line in _blocks(page, "promql")]


def kubectl() -> list[tuple[str, list[str]]]:
    """Each call of kubectl as words, with the name of its page."""
    every = [(page.stem, shlex.split(line)) for page in PAGES for line in _blocks(page, "sh")]
    return [(page, words) for page, words in every if words[0] == "kubectl"]


def _blocks(page: Path, language: str) -> list[str]:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line]
