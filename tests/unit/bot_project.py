"""A project of a test's own: the real program, with stack files and charts made for the test."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.unit.context import Context

PROJECT_DIR = Path(__file__).resolve().parents[2]

# Stands for helm: the same objects for every chart, and a line per call in $HELM_CALLS.
FAKE_HELM = """#!/bin/sh
echo "$@" >> "$HELM_CALLS"
cat > /dev/null
cat <<END
---
# Source: made/up
apiVersion: v1
kind: Secret
metadata:
  name: made-by-helm
data:
  token: aHVudGVyMi1mcm9tLWhlbG0=
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: hook
webhooks:
  - name: hook.example.com
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.example.com
END
"""


def _charts() -> dict[str, dict[str, dict[str, str]]]:
    """The list of charts, without the digests: the archives are made by the test."""
    listed: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(
        (PROJECT_DIR / "charts.yaml").read_text(encoding="utf-8")
    )
    for kind in ("charts", "manifests"):
        for entry in listed[kind].values():
            entry.pop("digest", None)
    return listed


def project(folder: Path, **stacks: object) -> Path:
    """A folder with charts.yaml and a stack file for each name; text is written as it is."""
    folder.mkdir(exist_ok=True)
    (folder / "charts.yaml").write_text(yaml.safe_dump(_charts()), encoding="utf-8")
    for name, content in stacks.items():
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def stack_file(name: str) -> dict[str, dict[str, object]]:
    """The project's own stack file, to be changed by the test."""
    text = (PROJECT_DIR / f"Pulumi.{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, object]] = yaml.safe_load(text)
    return loaded


def archives(folder: Path) -> Path:
    """A chart cache with an archive for every entry of charts.yaml, each with next to nothing."""
    folder.mkdir(exist_ok=True)
    listed = _charts()
    for name, entry in listed["charts"].items():
        head = yaml.safe_dump({"apiVersion": "v2", "name": name, "version": entry["version"]})
        files = {"Chart.yaml": head, "templates/crds/things.yaml": "kind: CustomResourceDefinition"}
        with tarfile.open(folder / f"{name}-{entry['version']}.tgz", "w:gz") as tar:
            for path, content in files.items():
                info = tarfile.TarInfo(f"{name}/{path}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
    for name, entry in listed["manifests"].items():
        crd = {"kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"}}
        (folder / f"{name}-{entry['version']}.yaml").write_text(json.dumps(crd), encoding="utf-8")
    return folder


def helm(folder: Path) -> Path:
    """A folder for PATH with the helm above."""
    folder.mkdir(exist_ok=True)
    program = folder / "helm"
    program.write_text(FAKE_HELM, encoding="utf-8")
    program.chmod(0o755)
    return folder


def use(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: object) -> Path:
    """Make commands see a project in `folder`, with its charts, its cache and its helm."""
    monkeypatch.setenv("CHARTS_DIR", str(archives(folder / "charts")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("HELM_CALLS", str(folder / "calls"))
    monkeypatch.setenv("PATH", str(helm(folder / "bin")), prepend=":")
    made = project(folder / "project", **files)
    Context(monkeypatch).project(made)
    return made
