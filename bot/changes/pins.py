"""Versions and digests in the project's own files: what of them moves, and how much that can do.

A plan evaluates both revisions with the packages at hand, and a preview with those that are
installed: neither can show what another version of a provider would do. So what is pinned is
compared as text: requirements and locks, charts.yaml, the workflows and their actions.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.changes.model import PinMove
from bot.changes.versions import step

Files = Mapping[str, str]  # the text of each, by its path in the project
Row = Literal["major", "unchecked", "content", "source", "minor", "library", "patch", "other"]
_PACKAGES = re.compile(
    r"(?:.*/)?(?:requirements[\w.-]*\.(?:txt|lock|in)|(?:uv|py)lock\.toml|uv\.lock)"
)
_WORKFLOWS = re.compile(r"\.github/.+\.ya?ml")
_TOOLS = re.compile(r"(?:.*/)?\.(?:tool-versions|python-version)")
_CHARTS = "charts.yaml"
_LOCKS = (".lock", ".toml")
# `name[extra] == 1.2 ; marker --hash=...`, as pip reads it; `@` is an address.
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?:(===?|[~<>!]=?|@)\s*([^\s;]+))?"
)
_HASH = re.compile(r"--hash[= ](\w+:[0-9a-fA-F]+)")
_INDEX = re.compile(r"-(?:-index-url|i|-extra-index-url|-find-links|f)[= ]\s*(\S+)")
_USES = re.compile(r"\s*(?:- )?uses:\s*['\"]?([\w./-]+)@([\w./-]+)['\"]?(?:\s*#\s*(\S+))?")
_NAMED = re.compile(
    r"\s*(?:- )?(?:export )?['\"]?([\w.-]*version[\w.-]*)['\"]?\s*[:=]\s*"
    r"['\"]?(v?\d[\w.+-]*)['\"]?\s*(?:#.*)?",
    re.IGNORECASE,
)
_LONGEST_LINE = 1000  # of a workflow: whoever writes longer ones wants to be read for hours
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# What only tests, checks and documentation use: nothing that runs is made with it.
_CHECKS = re.compile(
    r"pytest.*|ruff|mypy.*|types-.*|grafana-foundation-sdk|coverage|iniconfig|pluggy"
)


@dataclass(frozen=True)
class _Pin:
    """What is pinned. version: empty where any is taken; content: digests, empty for none."""

    kind: Literal["package", "chart", "action", "tool"]
    version: str
    content: frozenset[str] = field(default_factory=frozenset)
    source: str = ""


def is_pinned(path: str) -> bool:
    """True for a file that pins something."""
    return path == _CHARTS or any(form.fullmatch(path) for form in (_PACKAGES, _WORKFLOWS, _TOOLS))


def moves(before: Files, after: Files) -> tuple[PinMove, ...]:
    """Every pin that is another one; the same move in several files is one, with all of them."""
    found: dict[tuple[object, ...], PinMove] = {}
    for path in sorted({*before, *after}):
        old, new = (_read(path, files.get(path)) for files in (before, after))
        for each in _moved(path, old, new):
            key = (each.kind, each.name, each.what, each.before, each.after)
            files = (*found[key].files, path) if key in found else (path,)
            found[key] = each.model_copy(update={"files": tuple(dict.fromkeys(files))})
    return tuple(found[key] for key in sorted(found, key=str))


def row(move: PinMove) -> Row:
    """The row of the risk table that a move is of: `pin-<row>`."""
    if move.what == "checked":
        return "other"
    if move.what != "version":
        return move.what
    large = step(move.before, move.after) if move.before and move.after else "minor"
    if _is_engine(move):
        return large
    if move.kind == "package" and _CHECKS.fullmatch(move.name):
        return "other"
    return "library" if large == "major" or move.before is None else "other"


def _is_engine(move: PinMove) -> bool:
    """Pulumi's engine, its SDK, a provider's SDK."""
    return move.kind in ("package", "tool") and "pulumi" in move.name.lower()


def _moved(
    path: str, before: Mapping[str, _Pin] | None, after: Mapping[str, _Pin] | None
) -> Iterator[PinMove]:
    if before is None or after is None:
        if path.endswith(_LOCKS):
            # One thing to read, and not each of its packages.
            what: Any = "unchecked" if after is None else "version"
            there = [None if side is None else f"{len(side):,} pins" for side in (before, after)]
            yield PinMove(
                files=(path,), name=path, kind="lock", what=what, before=there[0], after=there[1]
            )
            return
        before, after = before or {}, after or {}
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        kind = (new or old or _Pin("tool", "")).kind

        def move(what: Any, one: str, two: str, name: str = name, kind: Any = kind) -> PinMove:
            return PinMove(
                files=(path,), name=name, kind=kind, what=what,
                before=one or None, after=two or None,
            )  # fmt: skip

        if old is None or new is None:
            pinned = new is None or new.version
            yield move(
                "version" if pinned else "unchecked",
                old.version or "any" if old else "",
                new.version or "any" if new else "",
            )
            continue
        if old.source != new.source:
            yield move("source", old.source, new.source)
        if old.version != new.version:
            loose = bool(old.version) and not new.version
            yield move(
                "unchecked" if loose else "version", old.version or "any", new.version or "any"
            )
        if old.content and not new.content:
            yield move("unchecked", "with a digest", "without")
        elif old.version == new.version and old.content and not old.content & new.content:
            yield move("content", *(min(each)[:19] for each in (old.content, new.content)))
        elif not old.content and new.content and old.version == new.version:
            yield move("checked", "without a digest", "with one")


def _read(path: str, text: str | None) -> dict[str, _Pin] | None:
    """The pins of a file by name; None where it is not there."""
    if text is None:
        return None
    if path == _CHARTS:
        return dict(_charts(text))
    if path.endswith((".toml", "uv.lock")):
        return dict(_toml(text))
    if _PACKAGES.fullmatch(path):
        return dict(_requirements(text))
    return dict(_tools(text)) if _WORKFLOWS.fullmatch(path) else dict(_listed(path, text))


def _requirements(text: str) -> Iterator[tuple[str, _Pin]]:
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = re.sub(r"(?:^|\s)#.*", "", raw).strip()
        if found := _INDEX.match(line):
            yield "package index", _Pin("package", "", source=_without_password(found[1]))
        elif line and not line.startswith("-") and (found := _REQUIREMENT.match(line)):
            name = re.sub(r"[-_.]+", "-", found[1]).lower()
            version = found[3] if found[2] in ("==", "===") and "*" not in found[3] else ""
            source = _without_password(found[3]) if found[2] == "@" else ""
            yield name, _Pin("package", version, frozenset(_HASH.findall(line)), source)


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)


def _toml(text: str) -> Iterator[tuple[str, _Pin]]:
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    for each in [*content.get("package", ()), *content.get("packages", ())]:
        if isinstance(each, dict) and each.get("name"):
            digests = frozenset(re.findall(r"sha256[:'\" =]+([0-9a-f]{64})", str(each)))
            yield str(each["name"]), _Pin("package", str(each.get("version") or ""), digests)


def _charts(text: str) -> Iterator[tuple[str, _Pin]]:
    # Here: a comment that is made of a file needs no YAML.
    from bot.text import yaml_values

    try:
        content = yaml_values.load(text)
    except ValueError:
        return
    for section in content.values() if isinstance(content, dict) else ():
        for name, each in section.items() if isinstance(section, dict) else ():
            if isinstance(each, dict):
                digest = each.get("digest")
                yield (
                    str(name),
                    _Pin(
                        "chart",
                        str(each.get("version") or ""),
                        frozenset([str(digest)] if digest else []),
                        _place(each),
                    ),
                )


def _place(entry: Mapping[str, Any]) -> str:
    """Where a chart is from; the version in a manifest's address moves with it."""
    address = _without_password(str(entry.get("repository") or entry.get("url") or ""))
    return address.replace(str(entry.get("version") or "\0"), "VERSION")


def _tools(text: str) -> Iterator[tuple[str, _Pin]]:
    """Actions, and what is called a version; below an action it is that action's."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    action = ""
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            continue
        if uses := _USES.match(line):
            action = uses[1]
            pinned = bool(_COMMIT.fullmatch(uses[2]))
            version = (uses[3] or uses[2][:12]) if pinned else ""
            found.setdefault(("action", action), set()).add((version, uses[2]))
        elif line.lstrip().startswith("- "):
            action = ""
        if named := _NAMED.fullmatch(line):
            name = f"{action} {named[1]}".strip()
            found.setdefault(("tool", name), set()).add((named[2], ""))
    for (kind, name), sides in found.items():
        versions = ", ".join(sorted({version for version, _ in sides if version}))
        pinned = kind == "tool" or all(version for version, _ in sides)
        content = frozenset(ref for _, ref in sides if ref and pinned)
        yield (
            name,
            _Pin("tool" if kind == "tool" else "action", versions if pinned else "", content),
        )


def _listed(path: str, text: str) -> Iterator[tuple[str, _Pin]]:
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2:
            yield words[0], _Pin("tool", words[1])
        elif len(words) == 1:
            yield path.rpartition("/")[2].removeprefix("."), _Pin("tool", words[0])
