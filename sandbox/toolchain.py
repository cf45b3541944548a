"""Find, download or build the servers that the sandbox runs, each at a pinned version.

A tool on PATH of the right version comes first, then the cache
(`${XDG_CACHE_HOME:-~/.cache}/linkerd-platform/bin`), then upstream's images and release files
(`sources.yaml`), then a Go build of the module under `sandbox/toolchain/`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.exit_codes import BadInputError
from bot.text.durations import duration
from sandbox import download as downloads
from sandbox import upstream
from sandbox.cache import cache_dir, locked
from sandbox.sources import Sources
from sandbox.tools import ENGINE_TOOLS, MESH_TOOLS, SERVERS, TOOLS, Tool

__all__ = ["ENGINE_TOOLS", "MESH_TOOLS", "SERVERS", "TOOLS", "Tool", "cache_dir"]

MODULES = Path(__file__).resolve().parent / "toolchain"
BUILD_SECONDS_LIMIT = 3600
BUILD_LIMIT = "SANDBOX_BUILD_MINUTES"
_STILL_SECONDS = 60


class ToolMissing(Exception):  # noqa: N818  (it reads as what it says)
    """A tool is neither on PATH nor built, and cannot be built; the text says what to install."""


def find(name: str) -> Path | None:
    """Return the tool `name` from PATH or from the cache; never builds, never downloads."""
    return _on_path(TOOLS[name]) or _in_cache(TOOLS[name])


def _found(name: str, own: bool) -> Path | None:
    return _in_cache(TOOLS[name]) if own else find(name)


def _in_cache(tool: Tool) -> Path | None:
    downloaded = downloads.cached(tool, _sources().of(tool.name, tool.upstream_version))
    if downloaded or not tool.module:
        return downloaded
    built = _built_path(tool)
    return built if built.is_file() else None


@functools.cache
def _sources() -> Sources:
    return Sources()


def missing_reason(names: Iterable[str] = SERVERS, *, own: bool = False) -> str | None:
    """Say why the sandbox cannot start here, or return None when it can (perhaps after a build).

    What upstream has is not asked for: `download` first.
    """
    absent = [name for name in names if _found(name, own) is None]
    never = [name for name in absent if not TOOLS[name].module]
    if never:
        return (
            f"{', '.join(never)}: not on PATH, not downloaded, and no Go module builds it: "
            "a mirror may have it (SANDBOX_MIRROR=url)"
        )
    if absent and shutil.which("go") is None:
        tools = ", ".join(absent)
        return (
            f"{tools}: not on PATH, not downloaded, "
            "and building needs Go 1.26 or newer (go.dev/doc/install)"
        )
    limit = build_limit()
    if limit is not None and minutes(absent) > limit:
        return (
            f"{', '.join(absent)}: building takes about {minutes(absent)} min, "
            f"and {BUILD_LIMIT} is {limit}"
        )
    return None


def build_limit(environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the minutes that building may take; None without a limit. Raises BadInputError."""
    text = environ.get(BUILD_LIMIT, "").strip()
    if text and not text.isdigit():
        raise BadInputError(f"{BUILD_LIMIT} is {text!r}; write a number of minutes, such as 20")
    return int(text) if text else None


def download(
    names: Iterable[str] = SERVERS,
    progress: Callable[[str], None] = print,
    *,
    own: bool = False,
) -> dict[str, Path]:
    """Download what is absent and upstream has; returns what was had. One line for each failure.

    Raises BadInputError for a setting (SANDBOX_MIRROR) that is none.
    """
    absent = [TOOLS[name] for name in names if _found(name, own) is None]
    if not absent:
        return {}
    with _cache_writable():
        return downloads.download(absent, _sources(), progress)


def ensure(
    names: Iterable[str] = SERVERS,
    progress: Callable[[str], None] = print,
    *,
    own: bool = False,
) -> dict[str, Path]:
    """Return a path for every tool in `names`, downloading or building what is absent.

    own: take nothing from PATH. Raises ToolMissing when Go is needed and absent, or a build fails.
    """
    names = list(names)
    download(names, progress, own=own)
    found = {name: path for name in names if (path := _found(name, own))}
    absent = [name for name in names if name not in found]
    reason = missing_reason(absent, own=own)
    if reason:
        raise ToolMissing(reason)
    if len(absent) > 1:
        progress(
            f"{len(absent)} programs to build with Go, about {minutes(absent)} min on two cores; "
            "Ctrl-C keeps what is done"
        )
    started, planned = time.monotonic(), 0
    for number, name in enumerate(absent, 1):
        tool = TOOLS[name]
        # By how much this machine is slower than two quiet cores, as far as that has shown.
        pace = (time.monotonic() - started) / (60 * planned) if planned else 1.0
        left = max(1, round(minutes(absent[number - 1 :]) * max(pace, 0.2)))
        progress(
            f"building {name} {tool.version} ({number} of {len(absent)}), about {left} min left"
        )
        begun = time.monotonic()
        found[name] = _build(tool, progress)
        progress(f"built {name} in {duration(time.monotonic() - begun)}")
        planned += tool.minutes
    return {name: found[name] for name in names}


def minutes(names: Iterable[str]) -> int:
    """Return how long building these takes on two quiet cores with nothing downloaded yet."""
    return sum(TOOLS[name].minutes for name in names)


@functools.cache
def _on_path(tool: Tool) -> Path | None:
    if tool.on_path is None:
        return None
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = (each for each in folders if Path(each).parent != _path_folder())
    path = shutil.which(tool.name, path=os.pathsep.join(others))
    path = path or _plugin(tool)
    if path is None:
        return None
    arguments, expected = tool.on_path
    if not expected:
        return Path(path)  # It cannot be asked: the engine takes it as it is.
    try:
        answer = subprocess.run(
            [path, *arguments.split()], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(path) if tool.filled(expected) in answer.stdout + answer.stderr else None


@contextmanager
def _cache_writable() -> Iterator[None]:
    """Turn a cache that cannot be written into one line; raises ToolMissing."""
    try:
        yield
    except OSError as error:
        raise ToolMissing(
            f"the cache {cache_dir()} cannot be used ({error.strerror or error}): "
            "free it, or set XDG_CACHE_HOME"
        ) from None


def _plugin(tool: Tool) -> str | None:
    """Return the provider that the engine has installed for itself, if it has this version."""
    kind = tool.name.removeprefix("pulumi-resource-")
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    path = home / "plugins" / f"resource-{kind}-v{tool.upstream_version}" / tool.name
    return str(path) if path.is_file() else None


def path_folder(names: Iterable[str] = ENGINE_TOOLS) -> Path:
    """Return a folder for PATH with plain names of those tools in `names` that the cache has.

    What is on PATH is left out, and so are providers that the engine has installed for itself: it
    prefers PATH whatever version lies there.
    """
    wanted = {name: None if _on_path(TOOLS[name]) else _in_cache(TOOLS[name]) for name in names}
    links = {name: path for name, path in sorted(wanted.items()) if path is not None}
    # A folder per set: with another PATH, or of another checkout, another set is wanted meanwhile.
    key = hashlib.sha256(repr(links).encode()).hexdigest()[:12]
    folder = _path_folder() / key
    with _cache_writable(), locked(_path_folder() / ".lock"):
        folder.mkdir(exist_ok=True)
        for name, path in links.items():
            with suppress(FileExistsError):
                (folder / name).symlink_to(path)
    return folder


def _path_folder() -> Path:
    return cache_dir().parent / "path"


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


def _build(tool: Tool, progress: Callable[[str], None]) -> Path:
    target = _built_path(tool)
    with _cache_writable(), locked(target.parent / f".{tool.name}.lock"):
        if target.is_file():  # Somebody else built it while this one waited.
            return target
        with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as scratch:
            output = Path(scratch) / tool.name
            try:
                source = upstream.prepared(MODULES / tool.module, Path(scratch), tool.version)
            except upstream.UpstreamChangedError as error:
                raise ToolMissing(f"building {tool.name} {tool.version} failed: {error}") from None
            _go_build(tool, source, output, progress)
            output.replace(target)
    return target


def _go_build(tool: Tool, source: Path, output: Path, progress: Callable[[str], None]) -> None:
    command = [
        *("go", "build", "-trimpath", "-buildvcs=false"),
        *("-ldflags", f"-s -w {tool.ldflags}".strip(), "-o", str(output), tool.package),
    ]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    log = output.with_name("log")
    started = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=source, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_STILL_SECONDS)
                    break
                spent = time.monotonic() - started
                progress(f"still building {tool.name}, {duration(spent)} so far")
                if spent > BUILD_SECONDS_LIMIT:
                    raise ToolMissing(f"building {tool.name} took longer than {spent:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-8:])
        raise ToolMissing(f"building {tool.name} {tool.version} failed:\n{last}")
