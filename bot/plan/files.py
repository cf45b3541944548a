"""A plan in a folder: manifests, the JSON document and a page with the picture."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.exit_codes import BadInputError
from bot.output import write_text
from bot.plan.base_files import SUFFIX
from bot.plan.html import page
from bot.plan.model import Object, Plan, document
from bot.plan.svg import svg

DOCUMENT = "plan.json"
CLUSTER = "_cluster"  # no namespace can be called so


def write(plans: Sequence[Plan], folder: Path) -> None:
    """Write `plan.json`, `index.html` and a folder per stack; what an earlier plan left goes.

    Raises BadInputError for a folder with something in it that is no plan.
    """
    try:
        if _holds_other(folder) and not (folder / DOCUMENT).is_file():
            raise BadInputError(
                f"--out {folder}: not empty, and no plan is in it; name another folder"
            )
        for old in _stacks_in(folder):
            _remove(folder / old)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / DOCUMENT, f"{as_json(plans)}\n")
        for plan in plans:
            _write_stack(plan, folder / plan.stack)
        write_text(folder / "index.html", page(plans))
    except OSError as error:
        raise BadInputError(f"--out {folder}: {error.strerror}") from None


def _holds_other(folder: Path) -> bool:
    """True where there is anything but what a plan against a base has left that failed."""
    return folder.exists() and any(not each.name.endswith(SUFFIX) for each in folder.iterdir())


def as_json(plans: Sequence[Plan]) -> str:
    """One document: the plan of a stack, or `stacks` with a plan each when there are several."""
    documents = [document(plan) for plan in plans]
    whole: Mapping[str, Any] = documents[0] if len(documents) == 1 else {"stacks": documents}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _stacks_in(folder: Path) -> list[str]:
    """Stacks of the plan that lies there; a name that leads elsewhere is none of ours."""
    try:
        found = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        names = [str(entry["stack"]) for entry in found.get("stacks", [found])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [name for name in names if re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)]


def _remove(folder: Path) -> None:
    """Remove what `_write_stack` writes, and nothing else."""
    for part in ("manifests", "charts"):
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / "graph.svg").unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _write_stack(plan: Plan, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    write_text(folder / "graph.svg", svg(plan))
    objects = [*plan.objects, *(item for chart in plan.charts for item in chart.objects)]
    taken: set[Path] = set()
    for item in objects:
        file = _place(item, taken, folder / "manifests")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, item.manifest.text)
    charts = folder / "charts"
    for chart in plan.charts:
        if chart.rendered:
            charts.mkdir(exist_ok=True)
            stream = "---\n".join(item.manifest.text for item in chart.objects)
            write_text(charts / f"{chart.name}.yaml", stream)


def _place(item: Object, taken: set[Path], folder: Path) -> Path:
    """`<namespace>/<kind>/<name>.yaml`; with the API group where that is taken."""
    name = re.sub(r"[^\w.-]", "_", item.name)
    directory = folder / (item.namespace or CLUSTER) / item.kind
    file = directory / f"{name}.yaml"
    if file in taken:
        group = item.api_version.rpartition("/")[0] or "core"
        file = directory / f"{name}.{group}.{len(taken)}.yaml"
    taken.add(file)
    return file
