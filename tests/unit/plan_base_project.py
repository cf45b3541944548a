"""A git repository with the whole program, charts made for it, and a helm that shows its values."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.bot_project import PROJECT_DIR, archives, helm, project, stack_file
from tests.unit.context import Context
from tests.unit.git_repository import commit, repository

# Every chart has a Deployment that says which archive it is from, and a ConfigMap with its values.
_HELM = """#!/bin/sh
values=$(cat)
cat <<END
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: $2
  labels: {archive: "$(basename "$3")", linkerd-platform.io/owner: x}
spec:
  selector: {matchLabels: {app: "$2"}}
  template: {metadata: {labels: {app: "$2"}}, spec: {containers: [{name: app, image: "app:1.0"}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: $2-values, labels: {linkerd-platform.io/owner: x}}
data:
  values: |
    $values
    end
END
"""
_PREFIX = "linkerd-platform:"
Edit = Callable[[dict[str, Any]], None]


class Project:
    """The repository in `folder`, its charts and its helm."""

    def __init__(self, folder: Path) -> None:
        self.top = folder
        self.charts = archives(folder / "charts")
        program = helm(folder / "bin") / "helm"
        program.write_text(_HELM, encoding="utf-8")
        self.folder = repository(folder / "repo")
        for package in ("schema", "stack", "components"):
            shutil.copytree(
                PROJECT_DIR / package,
                self.folder / package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        project(self.folder, **{name: stack_file(name) for name in ("trust", "staging")})
        (self.folder / ".gitignore").write_text(".local/\n")

    def edit(self, stack: str, change: Edit) -> None:
        """Change a stack file's sections, by their names without the prefix."""
        file = self.folder / f"Pulumi.{stack}.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        config = content["config"]
        own = {k.removeprefix(_PREFIX): v for k, v in config.items() if k.startswith(_PREFIX)}
        change(own)
        others = {key: value for key, value in config.items() if not key.startswith(_PREFIX)}
        content["config"] = others | {f"{_PREFIX}{key}": value for key, value in own.items()}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")

    def append(self, path: str, text: str) -> None:
        """Add text to a file of the program."""
        file = self.folder / path
        file.write_text(f"{file.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")

    def move(self, chart: str, version: str) -> None:
        """List another version of a chart, and have its archive."""
        file = self.folder / "charts.yaml"
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))
        old = listed["charts"][chart]["version"]
        listed["charts"][chart]["version"] = version
        file.write_text(yaml.safe_dump(listed), encoding="utf-8")
        archive = (self.charts / f"{chart}-{old}.tgz").read_bytes()
        # Renderings are kept by content: another version has another one.
        (self.charts / f"{chart}-{version}.tgz").write_bytes(archive + bytes(8))

    def commit(self) -> str:
        """Commit everything, and return the hash."""
        return commit(self.folder)

    @contextmanager
    def used(self) -> Iterator[pytest.MonkeyPatch]:
        """Commands see this project, its charts, its cache and its helm."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHARTS_DIR", str(self.charts))
            patch.setenv("XDG_CACHE_HOME", str(self.top / "cache"))
            patch.setenv("PATH", str(self.top / "bin"), prepend=":")
            Context(patch).project(self.folder)
            yield patch
