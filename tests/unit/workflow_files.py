"""The workflows and composite actions of the project, and the commands in them."""

from __future__ import annotations

import functools
import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.cli import dispatch

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((PROJECT / ".github/actions").glob("*/action.yml"))
PYTHON = ".venv/bin/python"
# What the variables of a `run:` line hold; one that is not here has no place in one.
VALUES = {
    "ALLOW": "crd",
    "APPROVED_BY": "ann (environment approve-staging, run 1)",
    "BASE": "0" * 40,
    "REASON": "a reason",
    "RUNNER_TEMP": "/runner-temp",
    "STACK": "staging",
}


@functools.cache
def load(file: Path) -> dict[str, Any]:
    """A file of ours, with `on` as a key and not as the boolean that YAML 1.1 makes of it."""
    found = yaml.safe_load(file.read_text())
    return {("on" if key is True else key): value for key, value in found.items()}


def workflow(name: str) -> dict[str, Any]:
    """A workflow by its name."""
    return load(PROJECT / ".github/workflows" / f"{name}.yml")


def step_of(name: str, job: str, part: str) -> dict[str, Any]:
    """The step of a job whose command or action has this in it."""
    found = workflow(name)["jobs"][job]["steps"]
    (step,) = [each for each in found if part in each.get("run", each.get("uses", ""))]
    return step


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every job, with the name of its workflow and its own."""
    for file in WORKFLOWS:
        for name, job in load(file)["jobs"].items():
            yield file.stem, name, job


def steps() -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Every step of workflows and actions, with where it is and the variables it can see."""
    for file in WORKFLOWS:
        content = load(file)
        for name, job in content["jobs"].items():
            variables = {**content.get("env", {}), **job.get("env", {})}
            for step in job.get("steps", []):
                if step.get("run") == "make reviewers":
                    variables = {**variables, "APPROVED_BY": ""}  # by way of $GITHUB_ENV
                yield f"{file.stem}/{name}", step, {**variables, **step.get("env", {})}
    for file in ACTIONS:
        for step in load(file)["runs"]["steps"]:
            yield f"actions/{file.parent.name}", step, step.get("env", {})


def fault(line: str) -> str | None:
    """What is wrong with a `run:` line; None for a target of make or a command of the bot."""
    if line == ".ci/run":
        return None
    bare = re.sub(r'"[^"]*"', "", line)
    if "$" in bare or re.search(r"[;&|<>`\n*]", bare):
        return "a variable without quotes, or more than one command"
    names = set(re.findall(r"\$(\w+)", line))
    if unknown := names - VALUES.keys():
        return f"variables that nobody sets: {unknown}"
    words = shlex.split(re.sub(r"\$(\w+)", lambda found: VALUES[found[1]], line))
    if words[0] == "make":
        makefile = (PROJECT / "Makefile").read_text()
        known = [word for word in words[1:] if re.search(rf"^{word}:.*## ", makefile, re.MULTILINE)]
        return None if known and known == words[1:] else "no target of the Makefile"
    if words[:3] != [PYTHON, "-m", "bot"]:
        return f"neither make nor {PYTHON} -m bot"
    try:
        parser().parse_args(words[3:])
    except SystemExit:
        return "the bot does not take these arguments"
    return None


@functools.cache
def parser() -> Any:
    """The bot's own parser."""
    made = dispatch._Parser(prog="bot")
    subparsers = made.add_subparsers(required=True)
    for command in dispatch.COMMANDS.values():
        importlib.import_module(command.module).add(subparsers)
    return made
