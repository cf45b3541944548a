"""The file that a stack's rollout plan lies in, where `rollout.file` names one.

It has the keys of the section at its top, and is read as strictly as a stack file. Several stacks
may name the same one.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.rollout.section import RolloutSection
from schema.faults import PROJECT, Fault
from schema.input_file import read_text
from schema.values import shown
from schema.words import project_file
from schema.yaml_file import Document, Path_, parse
from stack.meant import UNKNOWN, field_keys

SECTION = "rollout"
KEY: Path_ = (SECTION, "file")


@dataclasses.dataclass(frozen=True)
class PlanFile:
    """A plan in a file of its own. name: relative to the project; faults: of its form."""

    name: str
    content: Mapping[str, Any]
    lines: Mapping[Path_, int] = dataclasses.field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def placed(self, fault: Fault) -> Fault:
        """A fault of the section as one of this file, if that is where its key stands."""
        if fault.file or fault.path[:1] != KEY[:1] or fault.path in (KEY[:1], KEY):
            return fault
        place = fault.path[1:]
        while place and place not in self.lines:
            place = place[:-1]
        return dataclasses.replace(
            fault, file=self.name, line=fault.line or self.lines.get(place) or 1
        )


def keys() -> list[str]:
    """The keys that a plan file can have."""
    return [key for key in field_keys(RolloutSection) if key != KEY[-1]]


def read(section: object, folder: Path) -> PlanFile | None:
    """The plan file that the section of a stack file names; None where it names none.

    folder: the project's. A path that is none is left to the type of the key.
    """
    name = section.get(KEY[-1]) if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(name, str) or not _is_path(name):
        return None
    if beside := ", ".join(shown(key) for key in section if key != KEY[-1]):
        message = f"stands alone, and {beside} beside it: write that in {name}, or remove file"
        return PlanFile(name, {}, faults=(Fault(KEY, message),))
    document, unread = _document(name, folder)
    if document is None:
        return PlanFile(name, {}, faults=(Fault(KEY, f"{name}: {unread}"),))
    content = document.value
    faults = [
        Fault((SECTION, *path), message, line, file=name) for path, line, message in document.faults
    ]
    if not isinstance(content, dict):
        message = f"holds no plan: write its keys at the top: {', '.join(keys())}"
        faults.append(Fault(KEY[:1], message, line=1, file=name))
        content = {}
    faults += [
        Fault((SECTION, key), f"{UNKNOWN}; {_suggestion(key)}", document.lines[key,], file=name)
        for key in content
        if key not in keys()
    ]
    known = {key: value for key, value in content.items() if key in keys()}
    return PlanFile(name, known, document.lines, tuple(faults))


def _is_path(name: str) -> bool:
    try:
        return project_file(name) == name
    except ValueError:
        return False


def _document(name: str, folder: Path) -> tuple[Document | None, str]:
    """The document in the file, or why there is none."""
    file = folder / name
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            return None, "is a link that leads out of the project: put the plan itself there"
        if not file.exists():
            return None, "is not there: write the plan in it, relative to the project"
        if file.is_dir():
            return None, "is no file: name the file of the plan"
        return parse(read_text(file)), ""
    except UnicodeDecodeError:
        return None, "is not UTF-8: save it as such"
    except (OSError, RuntimeError) as error:
        said = error.strerror if isinstance(error, OSError) else "is a link that leads to itself"
        return None, f"cannot be read: {said}"
    except ValueError as error:
        return None, f"is no YAML: {error}"


def _suggestion(key: str) -> str:
    if key in ("config", SECTION, f"{PROJECT}:{SECTION}"):
        return f"a plan file has the keys of the section at its top: {', '.join(keys())}"
    if key == KEY[-1]:
        return "a plan file names no other: write the plan here"
    near = difflib.get_close_matches(key, keys(), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(keys())}"


def named(stack_file: Path) -> str | None:
    """The plan file that a stack file names, as it is written; None without one, or none to read.

    Also of a file that has faults, which are told by whoever loads it.
    """
    try:
        document = parse(read_text(stack_file)).value
    except (OSError, ValueError):
        return None
    config = document.get("config") if isinstance(document, dict) else None
    section = config.get(f"{PROJECT}:{SECTION}") if isinstance(config, dict) else None
    name = section.get(KEY[-1]) if isinstance(section, dict) else None
    return name if isinstance(name, str) and _is_path(name) else None


def told(faults: Sequence[Fault], file: str | None) -> list[str]:
    """Faults of a loaded config in words, those of the plan with the file that it is in."""
    plan = PlanFile(file, {}) if file else None
    placed = [plan.placed(fault) if plan else fault for fault in faults]
    return [
        f"{f'{fault.file}: ' if fault.file else ''}{fault.key}: {fault.message}" for fault in placed
    ]
