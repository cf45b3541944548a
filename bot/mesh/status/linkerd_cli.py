"""Runs `linkerd check -o json` where the CLI is on PATH, and reads what it says.

The output follows linkerd2 pkg/healthcheck/healthcheck_output.go: one JSON document for the core,
and one more for each extension, one after the other.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.clients.target import Target
from bot.exit_codes import BotError, MissingToolError

PROGRAM = "linkerd"
SECONDS = 30.0
_VERSION_SECONDS = 10.0
_LONGEST = 2**24


class CliError(BotError):
    """The CLI gave no report; says what it said instead."""


@dataclass(frozen=True)
class CliCheck:
    """One check of the CLI. result: `success`, `warning` or `error`. hint: an address."""

    category: str
    description: str
    result: str
    error: str = ""
    hint: str = ""


@dataclass(frozen=True)
class CliReport:
    """What the CLI said. version: its own. cut: why the report is not whole, empty where it is."""

    version: str
    checks: tuple[CliCheck, ...]
    cut: str = ""


def run(target: Target, expected: str, seconds: float = SECONDS) -> CliReport:
    """The CLI's report on the cluster of a stack; raises MissingToolError and CliError.

    expected: version to compare with, so that the CLI does not ask the vendor for the newest one.
    It waits for nothing: what is not ready now is told. seconds: for all of it.
    """
    environment = target.full_environment()
    program = shutil.which(PROGRAM, path=environment.get("PATH", ""))
    if program is None:
        raise MissingToolError(f"{PROGRAM} is not on PATH: its checks were not made")
    code, said, failed = _run(
        [program, "version", "--client", "--short"], environment, _VERSION_SECONDS
    )
    if code:
        raise CliError(f"{program} version: {_last(failed) or _ended(code)}")
    words = [program, "check", "--output=json", "--wait=0s", f"--expected-version={expected}"]
    code, text, failed = _run([*words, *place(target)], environment, seconds)
    try:
        checks = tuple(parse(text))
    except ValueError:
        checks = ()
    if not checks:
        raise CliError(f"{program} check: {_last(failed) or _ended(code)}")
    return CliReport(said.strip(), checks, _ended(code) if code not in (0, 1) else "")


def place(target: Target) -> list[str]:
    """The options that name the cluster of a stack file."""
    cluster = target.config.cluster
    options = []
    if cluster and cluster.kubeconfig:
        options.append(f"--kubeconfig={(target.project_dir / cluster.kubeconfig).resolve()}")
    if cluster and cluster.context:
        options.append(f"--context={cluster.context}")
    return options


def parse(text: str) -> Iterator[CliCheck]:
    """Every check of every document; raises ValueError for what is no such report."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        document, at = decoder.raw_decode(text, at)
        yield from _checks(document)


def _checks(document: Any) -> Iterator[CliCheck]:
    try:
        for category in document["categories"] or ():
            for each in category["checks"] or ():
                yield CliCheck(
                    category=str(category["categoryName"]),
                    description=str(each["description"]),
                    result=str(each["result"]),
                    error=str(each.get("error", "")),
                    hint=str(each.get("hint", "")),
                )
    except (KeyError, TypeError, AttributeError):
        raise ValueError("is no report of linkerd check") from None


def _run(
    words: Sequence[str], environment: dict[str, str], seconds: float
) -> tuple[int | None, str, str]:
    """Exit code, output and errors; the code is None where the time was over.

    The CLI runs itself again for each extension: all of them end together.
    """
    try:
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CliError(f"{words[0]}: {error.strerror}") from None
    with process:
        over = False
        try:
            said, failed = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            over = True
            _kill(process)
            said, failed = process.communicate()
        except BaseException:
            _kill(process)
            raise
    return None if over else process.returncode, said[:_LONGEST], failed


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()


def _ended(code: int | None) -> str:
    return "its time was over" if code is None else f"ended with exit code {code}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
