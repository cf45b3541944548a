"""Find or build the servers that the sandbox runs, each at a pinned version.

Every tool is a Go module under `sandbox/toolchain/`. A tool on PATH of the right version is used;
else it is built once into `${XDG_CACHE_HOME:-~/.cache}/linkerd-platform/bin`.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import upstream

MODULES = Path(__file__).resolve().parent / "toolchain"
BUILD_SECONDS_LIMIT = 3600
_COMPONENT_BASE = "k8s.io/component-base/version"
_KUBE_FLAGS = (
    # Without its version an API server calls itself v0.0.0 and charts with kubeVersion refuse it.
    f"-X {_COMPONENT_BASE}.gitVersion=v1.35.4 "
    f"-X {_COMPONENT_BASE}.gitMajor=1 -X {_COMPONENT_BASE}.gitMinor=35"
)
_HELM = "helm.sh/helm/v3/internal/version"
_CHARTUTIL = "helm.sh/helm/v3/pkg/chartutil"


class ToolMissing(Exception):  # noqa: N818  (it reads as what it says)
    """A tool is neither on PATH nor built, and cannot be built; the text says what to install."""


@dataclass(frozen=True)
class Tool:
    """One program of the sandbox.

    module: folder under sandbox/toolchain; package: what `go build` links from there.
    minutes: build time on two cores with nothing downloaded yet.
    on_path: arguments that make an installed one tell its version, and what it must then say.
    """

    name: str
    module: str
    version: str
    package: str
    minutes: int
    ldflags: str = ""
    on_path: tuple[str, str] | None = None


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "etcd",
            "etcd",
            "3.6.16",
            "go.etcd.io/etcd/server/v3",
            2,
            on_path=("--version", "etcd Version: 3.6."),
        ),
        *(
            Tool(
                name,
                "kubernetes",
                "1.35.4",
                f"k8s.io/kubernetes/cmd/{name}",
                minutes,
                _KUBE_FLAGS,
                ("--version", "Kubernetes v1.35."),
            )
            for name, minutes in (
                ("kube-apiserver", 5),
                ("kube-controller-manager", 2),
                ("kube-scheduler", 1),
            )
        ),
        Tool(
            "kwok",
            "kwok",
            "0.8.0",
            "sigs.k8s.io/kwok/cmd/kwok",
            2,
            on_path=("--version", "v0.8."),
        ),
        Tool(
            "vault",
            "vault",
            "1.21.1",
            "github.com/hashicorp/vault",
            8,
            on_path=("version", "Vault v1.21."),
        ),
        Tool("cert-manager", "cert-manager", "1.21.1", ".", 2),
        Tool("trust-manager", "trust-manager", "0.24.0", ".", 1),
        Tool(
            "external-secrets",
            "external-secrets",
            upstream.EXTERNAL_SECRETS_VERSION,
            ".",
            3,
        ),
        Tool(
            "helm",
            "helm",
            "3.22.0",
            "helm.sh/helm/v3/cmd/helm",
            2,
            # `helm template` checks a chart's kubeVersion against these.
            f"-X {_HELM}.version=v3.22.0 "
            f"-X {_CHARTUTIL}.k8sVersionMajor=1 -X {_CHARTUTIL}.k8sVersionMinor=35",
            ("version --short", "v3."),
        ),
        Tool(
            "actionlint",
            "actionlint",
            "1.7.12",
            "github.com/rhysd/actionlint/cmd/actionlint",
            1,
            on_path=("--version", "1.7."),
        ),
        Tool(
            "kube-state-metrics",
            "kube-state-metrics",
            "2.19.1",
            "k8s.io/kube-state-metrics/v2",
            3,
            "-X github.com/prometheus/common/version.Version=v2.19.1",
            ("version", "v2.19."),
        ),
        *(
            Tool(
                name,
                "prometheus-operator",
                "0.93.0",
                f"github.com/prometheus-operator/prometheus-operator/cmd/{command}",
                minutes,
                "-X github.com/prometheus/common/version.Version=0.93.0",
                ("--version", "version 0.93."),
            )
            for name, command, minutes in (
                ("prometheus-operator", "operator", 4),
                ("prometheus-operator-admission-webhook", "admission-webhook", 1),
            )
        ),
    )
}
# Tools of tests, built when somebody asks for them.
TEST_TOOLS = (
    "helm",
    "actionlint",
    "kube-state-metrics",
    "prometheus-operator",
    "prometheus-operator-admission-webhook",
)
SERVERS = tuple(name for name in TOOLS if name not in TEST_TOOLS)


def cache_dir() -> Path:
    """Return the folder of built tools."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "linkerd-platform" / "bin"


def find(name: str) -> Path | None:
    """Return the tool `name` from PATH or from the cache; never builds, never downloads."""
    return _on_path(TOOLS[name]) or _built(name)


def _built(name: str) -> Path | None:
    path = _built_path(TOOLS[name])
    return path if path.is_file() else None


def missing_reason(names: Iterable[str] = SERVERS, *, own: bool = False) -> str | None:
    """Say why the sandbox cannot start here, or return None when it can (perhaps after a build)."""
    absent = [name for name in names if (_built(name) if own else find(name)) is None]
    if absent and shutil.which("go") is None:
        tools = ", ".join(absent)
        return f"{tools}: not on PATH, and building needs Go 1.26 or newer (go.dev/doc/install)"
    return None


def ensure(
    names: Iterable[str] = SERVERS,
    progress: Callable[[str], None] = print,
    *,
    own: bool = False,
) -> dict[str, Path]:
    """Return a path for every tool in `names`, building what is absent.

    own: take nothing from PATH. Raises ToolMissing when Go is absent or a build fails.
    """
    names = list(names)
    looked = {name: _built(name) if own else find(name) for name in names}
    found = {name: path for name, path in looked.items() if path}
    absent = [name for name in names if name not in found]
    reason = missing_reason(absent, own=own)
    if reason:
        raise ToolMissing(reason)
    for number, name in enumerate(absent, 1):
        tool = TOOLS[name]
        progress(
            f"building {name} {tool.version} ({number} of {len(absent)}), "
            f"about {tool.minutes} min on two cores"
        )
        started = time.monotonic()
        found[name] = _build(tool)
        progress(f"built {name} in {time.monotonic() - started:.0f} s")
    return {name: found[name] for name in names}


@functools.cache
def _on_path(tool: Tool) -> Path | None:
    if tool.on_path is None:
        return None
    path = shutil.which(tool.name)
    if path is None:
        return None
    arguments, expected = tool.on_path
    try:
        answer = subprocess.run(
            [path, *arguments.split()], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(path) if expected in answer.stdout + answer.stderr else None


def _built_path(tool: Tool) -> Path:
    return cache_dir() / f"{tool.name}-{tool.version}-{_fingerprint(tool)}"


@functools.cache
def _fingerprint(tool: Tool) -> str:
    """Hash whatever decides the result, so that a changed module never finds a stale binary."""
    digest = hashlib.sha256(f"{tool.package}\0{tool.ldflags}\0".encode())
    folder = MODULES / tool.module
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _build(tool: Tool) -> Path:
    target = _built_path(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / f".{tool.name}.lock"):
        if target.is_file():  # Somebody else built it while this one waited.
            return target
        with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as scratch:
            output = Path(scratch) / tool.name
            source = MODULES / tool.module
            if tool.name == "external-secrets":
                source = upstream.prepare_external_secrets(source, Path(scratch))
            _go_build(tool, source, output)
            output.replace(target)
    return target


def _go_build(tool: Tool, source: Path, output: Path) -> None:
    command = [
        *("go", "build", "-trimpath", "-buildvcs=false"),
        *("-ldflags", f"-s -w {tool.ldflags}".strip(), "-o", str(output), tool.package),
    ]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    try:
        done = subprocess.run(
            command,
            cwd=source,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_SECONDS_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolMissing(f"building {tool.name} took longer than {error.timeout:.0f} s") from error
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-8:])
        raise ToolMissing(f"building {tool.name} {tool.version} failed:\n{last}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
