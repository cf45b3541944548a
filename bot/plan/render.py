"""Charts rendered by `helm template`, as the engine's provider renders them; no cluster is asked.

Renderings are kept in `~/.cache/linkerd-platform/rendered`, under the hash of all that goes in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bot.exit_codes import BotError
from bot.plan.mock.monitor import Resource
from schema import safe_yaml
from schema.input_file import read_bytes
from schema.masking import without_payload
from schema.values import shown

CHART = "kubernetes:helm.sh/v4:Chart"
# A version that Linkerd 2.20 supports; without it helm takes the one it was built with.
# renovate: datasource=go depName=k8s.io/kubernetes
KUBE_VERSION = "1.35.0"
_KEPT_RENDERINGS = 100
_TIMEOUT = 60  # seconds for one chart
_FORMAT = 1  # part of the hash: another form of the cache's files needs another number
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Manifest:
    """One Kubernetes object without secrets; `text` is its YAML."""

    content: Mapping[str, Any]
    text: str


def to_yaml(content: Any) -> str:
    """YAML with keys in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def archive(resource: Resource, project_dir: Path) -> Path | None:
    """The local archive of a Chart or Release; None where there is none."""
    file = project_dir / str(resource.inputs["chart"])
    return file if file.is_file() else None


def render(resource: Resource, file: Path, helm: str) -> list[Manifest]:
    """The objects of a Chart or Release from its archive, secrets masked.

    Hooks are left out of a Chart, which never runs them, and CRDs are in unless it says otherwise.
    Raises BotError with Helm's own reason.
    """
    values = json.dumps(resource.inputs.get("values") or {}, sort_keys=True)
    name, namespace = str(resource.inputs["name"]), str(resource.inputs["namespace"])
    arguments = ["template", name, str(file), "--namespace", namespace]
    arguments += ["--kube-version", KUBE_VERSION, "--values", "-"]
    if not resource.inputs.get("skipCrds"):
        arguments.append("--include-crds")
    if resource.type == CHART:
        arguments.append("--no-hooks")
    key = _key(helm, file, [*arguments[:2], *arguments[3:]], values)
    cached = _cache_dir() / f"{key}.json"
    if (kept := _read(cached)) is not None:
        return kept
    try:
        done = subprocess.run(
            [helm, *arguments],
            input=values,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BotError(f"chart {name}: helm template took over {_TIMEOUT} s") from None
    if done.returncode:
        reason = " ".join(done.stderr.split("\n\nUse --debug")[0].split())
        raise BotError(f"chart {name}: helm template: {reason.removeprefix('Error: ')}")
    try:
        manifests = parse(done.stdout)
    except ValueError as error:
        raise BotError(f"chart {name}: the output of helm template {error}") from None
    _write(cached, manifests)
    return manifests


def parse(stream: str) -> list[Manifest]:
    """The objects in a stream of YAML documents, secrets masked.

    Raises ValueError where one is no Kubernetes object, or cannot be read safely.
    """
    made = []
    for text in re.split(r"^---[ \t]*$", stream, flags=re.MULTILINE):
        documents = list(safe_yaml.load_all(text))
        for content in filter(None, documents):
            clean = without_payload(_checked(content))
            same = clean == content and len(documents) == 1
            made.append(Manifest(clean, f"{text.strip()}\n" if same else to_yaml(clean)))
    return made


def _checked(content: Any) -> dict[str, Any]:
    """An object with what is read of each; raises ValueError."""
    fault = None
    if not isinstance(content, dict):
        fault = f"{shown(content)}, which is not an object"
    elif not all(isinstance(content.get(key), str) for key in ("apiVersion", "kind")):
        fault = "an object whose apiVersion or kind is not text"
    elif not isinstance(content.get("metadata") or {}, dict):
        fault = f"a {shown(content['kind'])} whose metadata is not a mapping"
    if fault:
        raise ValueError(f"holds {fault}")
    return dict(content)


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "linkerd-platform" / "rendered"


def _key(helm: str, file: Path, arguments: list[str], values: str) -> str:
    program = Path(helm).resolve().stat()
    digest = hashlib.sha256(read_bytes(file))
    parts = [_FORMAT, program.st_size, program.st_mtime_ns, *arguments, values]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()


def _read(file: Path) -> list[Manifest] | None:
    try:
        entries = json.loads(file.read_bytes())
        made = [Manifest(entry["content"], entry["text"]) for entry in entries]
        os.utime(file)  # what is used is kept
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return made


def _write(file: Path, manifests: list[Manifest]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps([vars(manifest) for manifest in manifests]), encoding="utf-8")
        part.replace(file)  # another run may be reading it
        newest = sorted(file.parent.glob("*.json"), key=_used, reverse=True)
        for old in newest[_KEPT_RENDERINGS:]:
            old.unlink(missing_ok=True)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else


def _used(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
