"""A revision's program evaluated beside nothing that it could read, waste or print.

This is no sandbox: whoever may run code here could do so without us. It keeps tokens out of reach
of a program that looks at its environment or at ours, its output out of the job's log, and no
process of it alive. What it cannot keep from it is in docs/pull-requests.md.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from bot.engine.process import kill_session
from bot.plan.base_apart import apart
from bot.plan.base_snapshot import Failure, RevisionPlans
from bot.text import log_file
from schema.input_file import read_bytes
from stack.charts import cache_dir

TIMEOUT_SECONDS = 180.0
MEMORY_BYTES = 4 << 30  # of address space for each process; helm reserves a lot and uses little
MAX_ANSWER_BYTES = 128 << 20
_MOST_SAID = 1 << 20
# Packages of the working tree that evaluate; all else that is imported is the revision's own.
EVALUATOR = ("bot", "policies")
# What these import and an older revision has not: its own comes first where it has.
GROUND = ("schema",)
_PROJECT = Path(__file__).resolve().parents[2]
_CHILD = Path(__file__).with_name("base_child.py")
# All that passes of the environment: where programs are, and how text is written.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class RevisionTree:
    """An exported revision, and its stacks. name: `base` or `head`.

    judged: hold it against the policies. out: folder for its plan, as `bot plan --out` writes it.
    """

    name: str
    folder: Path
    stacks: tuple[str, ...]
    judged: bool = False
    out: Path | None = None


class RunningEvaluation:
    """An evaluation that runs; `answer` waits for it. A context that leaves no process behind."""

    def __init__(self, tree: RevisionTree, scratch: Path) -> None:
        self.tree = tree
        self._answer = scratch / f"{tree.name}.json"
        self._errors = scratch / f"{tree.name}.errors"
        self._deadline = time.monotonic() + TIMEOUT_SECONDS
        home = scratch / f"{tree.name}-home"
        home.mkdir()
        order = {
            "tree": str(tree.folder),
            "evaluator": str(_folder_of(scratch / "evaluator", EVALUATOR)),
            "ground": str(_folder_of(scratch / "ground", GROUND)),
            "stacks": list(tree.stacks),
            "out": str(tree.out.absolute()) if tree.out else None,
            "judged": tree.judged,
            "answer": str(self._answer),
            "memory": MEMORY_BYTES,
            "seconds": math.ceil(TIMEOUT_SECONDS),
        }
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                # Isolated: no PYTHON* variable, no user site, nothing of the folder it starts in.
                [sys.executable, "-I", "-B", str(_CHILD)],
                cwd=home,
                env=environment(home),
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        with contextlib.suppress(BrokenPipeError):
            _send(self.process.stdin, json.dumps(order).encode())

    def __enter__(self) -> RunningEvaluation:
        return self

    def __exit__(self, *_: object) -> None:
        kill_session(self.process)
        self.process.wait()

    def answer(self) -> RevisionPlans:
        """What it came to; a failure for every stack where the process gave no answer."""
        reason, made = self._ended(), None
        if reason is None:
            try:
                made = self._read()
            except (OSError, ValueError, ValidationError, RecursionError):
                reason = "the evaluation gave no readable answer"
        if made is None:
            made = RevisionPlans(
                failures=tuple(
                    Failure(stack=stack, cause="program", reason=str(reason))
                    for stack in self.tree.stacks
                )
            )
        self._log(made.failures)
        return made

    def _ended(self) -> str | None:
        """None when it ended well, else why not."""
        try:
            code = self.process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill_session(self.process)
            return f"the evaluation took longer than {TIMEOUT_SECONDS:.0f} s"
        if code == 0:
            return None
        if code < 0:
            return f"the evaluation was ended by {signal.Signals(-code).name}"
        last = self._said().splitlines()
        return f"the evaluation failed: {last[-1] if last else f'exit code {code}'}"

    def _said(self) -> str:
        """What the program printed, of which the most is where it failed."""
        with self._errors.open("rb") as errors:
            errors.seek(max(0, os.fstat(errors.fileno()).st_size - _MOST_SAID))
            return errors.read(_MOST_SAID).decode("utf-8", "replace").strip()

    def _log(self, failures: Sequence[Failure]) -> None:
        """Keep what the program printed, where it failed: the reason is its last line alone."""
        if any(failure.cause == "program" for failure in failures) and (said := self._said()):
            file = log_file.write(f"plan {self.tree.name}", said)
            sys.stderr.write(f"{self.tree.name}: the output of its program is in {file}\n")

    def _read(self) -> RevisionPlans:
        answer = RevisionPlans.model_validate_json(read_bytes(self._answer, MAX_ANSWER_BYTES))
        answered = [s.stack for s in answer.snapshots] + [f.stack for f in answer.failures]
        if sorted(answered) != sorted(self.tree.stacks):
            raise ValueError("not the requested stacks")
        return answer


def environment(home: Path) -> dict[str, str]:
    """The environment of an evaluation: no token, no kubeconfig, no setting of an engine's.

    home: an empty folder. Helm finds no plugin and no setting there.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": str(home),
        "TMPDIR": str(home),
        "CHARTS_DIR": str(cache_dir().absolute()),
        "XDG_CACHE_HOME": str(Path(base).expanduser().absolute()),
        "HELM_CACHE_HOME": str(home / "helm"),
        "HELM_CONFIG_HOME": str(home / "helm"),
        "HELM_DATA_HOME": str(home / "helm"),
        "HELM_PLUGINS": str(home / "helm"),
    }


def _folder_of(folder: Path, packages: Sequence[str]) -> Path:
    """A folder for `sys.path` that holds these packages, and nothing else of the project."""
    if not folder.exists():
        folder.mkdir()
        for package in packages:
            (folder / package).symlink_to(_PROJECT / package)
    return folder


def _send(pipe: IO[bytes] | None, content: bytes) -> None:
    if pipe is not None:
        pipe.write(content)
        pipe.close()


def run_all(trees: Sequence[RevisionTree], scratch: Path) -> list[RevisionPlans]:
    """The answers of several trees, evaluated side by side."""
    with apart(), contextlib.ExitStack() as running:
        started = [running.enter_context(RunningEvaluation(tree, scratch)) for tree in trees]
        return [evaluation.answer() for evaluation in started]
