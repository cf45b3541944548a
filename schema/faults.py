"""What is wrong with a stack file, said so that it can be mended without a second look.

One line per fault: the file, the line, the key, what is wrong and the fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from schema.errors import InputError
from schema.input_file import read_text
from schema.masking import looks_secret
from schema.values import described, shown
from schema.yaml_file import Path_, parse

PROJECT = "linkerd-platform"


@dataclass(frozen=True)
class Fault:
    """A fault at a key path below `linkerd-platform:`; no path means the file as a whole.

    A first part with `:` is a full key of another namespace. `line` is for a fault whose key does
    not tell where it is. `looks_at` are the other keys that the rule compared it with. `file` is
    the one that the section is in, relative to the project, where that is not the stack file.
    """

    path: Path_
    message: str
    line: int | None = None
    looks_at: tuple[Path_, ...] = ()
    file: str | None = None

    @property
    def key(self) -> str:
        """The key as in its file, such as `linkerd-platform:trust.issuer.duration`."""
        text = ""
        # A file of a section's own has the keys of that section at its top.
        for part in self.path[1:] if self.file else self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            else:
                # A fault is one line, whatever somebody put into a key.
                bare = part.removesuffix(":")
                name = bare if bare.isprintable() and len(bare) <= 60 else shown(bare)
                name = f"<{described(bare)}>" if looks_secret(bare) else name
                text += f".{name}" if text else name
        foreign = ":" in str(self.path[0]) if self.path else False
        return text if foreign or self.file else f"{PROJECT}:{text}"


class ConfigError(InputError):
    """A stack file that cannot be used; `str()` is one line per fault."""

    def __init__(self, file: Path, faults: Sequence[Fault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        super().__init__("\n".join(_lines(file, self.faults)))


def _lines(file: Path, faults: Iterable[Fault]) -> Iterable[str]:
    places = _places(file)

    def line_of(fault: Fault) -> int:
        path = fault.path
        while path and path not in places:
            path = path[:-1]
        return fault.line or places.get(path, 0)

    for fault in sorted(faults, key=lambda each: (each.file or "", line_of(each))):
        name, line = fault.file or file.name, line_of(fault)
        where = f"{name}:{line}" if line else name
        whole = len(fault.path) == 1 if fault.file else not fault.path
        yield ": ".join((where, *([] if whole else [fault.key]), fault.message))


def own_path(path: Path_) -> Path_:
    """A key path below `config:` as a Fault has it: without our prefix, and `:` after none."""
    first = str(path[0])
    name = first.removeprefix(f"{PROJECT}:")
    return (name if name != first or ":" in first else f"{first}:", *path[1:])


def _places(file: Path) -> dict[Path_, int]:
    """The line of every key below `config:`; empty where the file cannot be read."""
    try:
        lines = parse(read_text(file)).lines
    except (OSError, ValueError):
        return {}
    return {own_path(p[1:]): line for p, line in lines.items() if p[0] == "config" and p[1:]}
