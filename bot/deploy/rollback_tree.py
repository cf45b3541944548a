"""An older revision laid out so that the engine can run it against today's state.

From the revision: the program, charts.yaml, the stack file of the stack that is rolled back, and
the rollout plan that it names. From today: fleet.yaml, the files of the other stacks with their
plans, and what is no part of a revision (the notes of runs of the engine, the sandbox). So the
stack is compared with the others as they are now.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bot import stacks
from bot.engine import target as engine_target
from bot.exit_codes import RefusedError
from bot.text import git
from schema import safe_yaml
from schema.faults import PROJECT
from schema.input_file import read_text
from stack import fleet, rollout_file

PROJECT_FILE = "Pulumi.yaml"
NOTES = Path(".local") / "engine"
# Not needed to run the program, or made anew below.
_LEFT_OUT = (".github", ".local", ".sandbox", ".venv", "bench", "docs", "tests")
_NAMES = ("cluster", "vault")
_ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")


@contextmanager
def exported(commit: str, stack: str, project_dir: Path) -> Iterator[Path]:
    """A folder with the revision, which is gone after the block.

    Raises RefusedError where the revision cannot be run against the state of today.
    """
    with tempfile.TemporaryDirectory(prefix="linkerd-platform-rollback-") as scratch:
        folder = git.export(commit, project_dir, Path(scratch), _LEFT_OUT)
        short = commit[: git.SHORT]
        file = folder / f"Pulumi.{stack}.yaml"
        if not (folder / "__main__.py").is_file() or not file.is_file():
            raise RefusedError(f"commit {short} has no program with a stack {stack}")
        plan = rollout_file.named(file)
        if plan and plan.split("/")[0] in _LEFT_OUT:
            git.export(commit, project_dir, folder, only=[plan])
        _refuse_elsewhere(folder, project_dir, short)
        encryption = _encryption(file, stacks.file_of(stack, project_dir), short)
        if encryption:
            with file.open("a", encoding="utf-8") as out:
                out.write(f"\n{yaml.safe_dump(encryption)}")
        _from_today(folder, stack, project_dir)
        yield folder


def _refuse_elsewhere(folder: Path, project_dir: Path, short: str) -> None:
    """Raise RefusedError where the revision is of another project, or keeps its state elsewhere."""
    was, now = _document(folder / PROJECT_FILE), _document(project_dir / PROJECT_FILE)
    for key in ("name", "backend"):
        if was.get(key) != now.get(key):
            raise RefusedError(
                f"commit {short}: {PROJECT_FILE} has another {key} than now: it would use another "
                "state"
            )


def _encryption(file: Path, today: Path, short: str) -> dict[str, Any]:
    """What the revision's stack file lacks to read the state; raises RefusedError.

    A file from before the stack had secrets can take today's settings; one with settings of its
    own, or with values that are encrypted, cannot.
    """
    was, now = _document(file), _document(today)
    own = {key: was[key] for key in _ENCRYPTION if key in was}
    current = {key: now[key] for key in _ENCRYPTION if key in now}
    if own == current:
        return {}
    if own or _has_ciphertext(was.get("config")):
        raise RefusedError(
            f"commit {short}: {file.name} is encrypted differently than now "
            f"({', '.join(_ENCRYPTION)}): neither its secrets nor the state's could be read"
        )
    return current


def _has_ciphertext(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"secure"} or any(map(_has_ciphertext, value.values()))
    return isinstance(value, list) and any(map(_has_ciphertext, value))


def _document(file: Path) -> Mapping[str, Any]:
    try:
        document = safe_yaml.load(read_text(file))
    except (OSError, ValueError):
        raise RefusedError(f"{file.name}: cannot be read") from None
    return _section(document)


def _from_today(folder: Path, stack: str, project_dir: Path) -> None:
    (folder / fleet.FILE).unlink(missing_ok=True)
    if (project_dir / fleet.FILE).is_file():
        shutil.copyfile(project_dir / fleet.FILE, folder / fleet.FILE)
    for name in stacks.names(folder):
        if name != stack:
            stacks.file_of(name, folder).unlink()
    for name in stacks.names(project_dir):
        if name != stack:
            shutil.copyfile(stacks.file_of(name, project_dir), folder / f"Pulumi.{name}.yaml")
            _with_plan(folder / f"Pulumi.{name}.yaml", project_dir)
    (project_dir / NOTES).mkdir(parents=True, exist_ok=True)
    (folder / NOTES).parent.mkdir()
    # Who waits for a lock looks there for the runs of this machine.
    (folder / NOTES).symlink_to((project_dir / NOTES).resolve(), target_is_directory=True)
    sandbox = project_dir / engine_target.SANDBOX_DIR
    if sandbox.is_dir():
        (folder / sandbox.name).symlink_to(sandbox.resolve(), target_is_directory=True)
    for name in stacks.names(folder):
        _link_named(name, folder, project_dir)


def _with_plan(file: Path, project_dir: Path) -> None:
    """Write today's rollout plan into the copy of a stack file that names it.

    The file of that name may be the revision's, which the stack that is rolled back names too. One
    that has faults is left to whoever loads it.
    """
    plan = rollout_file.read({"file": rollout_file.named(file)}, project_dir)
    if plan and not plan.faults:
        document = safe_yaml.load(read_text(file))
        document["config"][f"{PROJECT}:{rollout_file.SECTION}"] = plan.content
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _link_named(stack: str, folder: Path, project_dir: Path) -> None:
    """Link the files that a stack file names, where the revision has none there.

    A kubeconfig is in no commit, and a CA may not be. Nothing is copied: it may be a credential.
    """
    config = _section(_document(folder / f"Pulumi.{stack}.yaml").get("config"))
    sections = [_section(config.get(f"{PROJECT}:{name}")) for name in _NAMES]
    for name in [each.get(key) for each in sections for key in ("caFile", "kubeconfig")]:
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            continue
        source, target = project_dir / name, folder / name
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source.resolve())


def _section(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
