"""Programs from upstream into the cache: in parallel, checked, and whole or not at all."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import archives, registry
from sandbox.cache import cache_dir, locked, scratch
from sandbox.hosts import SECONDS, HostError, Hosts, UnreachableError, reason_of
from sandbox.progress import Display
from sandbox.registry import Image, Pin
from sandbox.sources import Source, Sources, mirror, switched_off
from sandbox.tools import Tool
from sandbox.web import STALL_SECONDS, DownloadStopped, Web

WORKERS = 6


@dataclass(frozen=True)
class DownloadRecord:
    """What is known of a downloaded program: which place it came from, and the digests found."""

    place: str
    platform: str
    digests: dict[str, str]


def cached(tool: Tool, sources: Sequence[Source]) -> Path | None:
    """Return a downloaded program that one of `sources` stands for, the newest."""
    found = []
    for path in cache_dir().glob(f"{tool.name}-{tool.upstream_version}-sha256-*"):
        record = record_of(path)
        if record and any(_stands_for(source, record) for source in sources):
            found.append(path)
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _stands_for(source: Source, record: DownloadRecord) -> bool:
    same = (source.place, source.platform) == (record.place, record.platform)
    return same and source.digests.get("program") in (None, record.digests["program"])


def record_of(path: Path) -> DownloadRecord | None:
    """Return what was noted when `path` was downloaded; None for what was not."""
    try:
        record = DownloadRecord(**json.loads((path.parent / f".{path.name}.json").read_text()))
        return record if record.digests.get("program") else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def download(
    tools: Sequence[Tool],
    sources: Sources,
    say: Callable[[str], None] = print,
    host_seconds: float = SECONDS,
    stall_seconds: float = STALL_SECONDS,
    machine: str | None = None,
) -> dict[str, Path]:
    """Download what upstream has of `tools`; one line for each failure.

    machine: a platform such as linux/arm64, instead of this one. Returns those that are there now.
    Raises BadInputError for a mirror that is no address.
    """
    front = mirror()
    wanted = [(tool, sources.of(tool.name, tool.upstream_version, machine)) for tool in tools]
    wanted = [(tool, places) for tool, places in wanted if places and not switched_off()]
    if not wanted:
        return {}
    with scratch() as folder:
        run = _Run(folder, front, Display(say), host_seconds, stall_seconds)
        return run.all(wanted)


class _Run:
    """One download of several programs."""

    def __init__(
        self,
        folder: Path,
        front: str | None,
        display: Display,
        host_seconds: float,
        stall_seconds: float,
    ) -> None:
        self._folder = folder
        self._mirror = front
        self._display = display
        self._stopped = threading.Event()
        self._hosts = Hosts(display.line, host_seconds)
        self._web = Web(self._hosts, self._stopped, stall_seconds)
        self._found: dict[str, Path] = {}
        self._unpinned: list[str] = []
        self._error: BaseException | None = None
        self._archives: dict[str, tuple[threading.Lock, list[str]]] = {}
        self._lock = threading.Lock()

    def all(self, wanted: Sequence[tuple[Tool, list[Source]]]) -> dict[str, Path]:
        for _tool, sources in wanted:
            for source in sources[: 1 if self._mirror else None]:
                # All at once: ten dead hosts take no longer than one.
                self._hosts.probe(self._address(source, self._mirror))
        self._display.begin(len(wanted))
        tasks: queue.SimpleQueue[tuple[Tool, list[Source]]] = queue.SimpleQueue()
        for task in wanted:
            tasks.put(task)
        workers = [
            threading.Thread(target=self._work, args=(tasks,), daemon=True)
            for _ in range(min(WORKERS, len(wanted)))
        ]
        try:
            for worker in workers:
                worker.start()
            while any(worker.is_alive() for worker in workers):
                for worker in workers:
                    worker.join(0.05)
                self._display.tick()
        except BaseException:
            self._stopped.set()
            deadline = time.monotonic() + 2
            for worker in workers:
                worker.join(max(0.0, deadline - time.monotonic()))
            raise
        finally:
            self._display.close()
        if self._error:
            raise self._error
        if self._unpinned:
            self._display.line(
                f"not pinned by digest: {', '.join(sorted(self._unpinned))} "
                "(`make toolchain-lock` pins what came)"
            )
        return self._found

    def _work(self, tasks: queue.SimpleQueue[tuple[Tool, list[Source]]]) -> None:
        while not self._stopped.is_set():
            try:
                tool, sources = tasks.get_nowait()
            except queue.Empty:
                return
            try:
                path = self._one(tool, sources)
                if path:
                    self._found[tool.name] = path
            except DownloadStopped:
                return
            except BaseException as error:
                # A fault of ours ends the run, where it can be seen.
                self._error = error
                self._stopped.set()
            finally:
                self._display.ended(tool.name)

    def _one(self, tool: Tool, sources: list[Source]) -> Path | None:
        with locked(cache_dir() / f".{tool.name}.lock", self._wait):
            there = cached(tool, sources)  # Somebody else may have fetched it meanwhile.
            if there:
                return there
            for source, front in self._places(sources):
                try:
                    return self._take(tool, source, front)
                except UnreachableError:
                    self._display.given_up(tool.name)
                except (HostError, OSError) as error:
                    self._display.given_up(tool.name)
                    text = str(error) if isinstance(error, HostError) else reason_of(error)
                    by = f" by {front}" if front else ""
                    self._display.line(
                        f"{tool.name} {tool.upstream_version} from {source.place}{by}: "
                        f"{text.removeprefix(f'{source.place}: ')}; not used"
                    )
        return None

    def _wait(self) -> None:
        if self._stopped.wait(0.1):
            raise DownloadStopped

    def _places(self, sources: list[Source]) -> list[tuple[Source, str | None]]:
        direct: list[tuple[Source, str | None]] = [(source, None) for source in sources]
        if not self._mirror:
            return direct
        return [*((source, self._mirror) for source in sources), *direct]

    def _address(self, source: Source, front: str | None) -> str:
        if source.kind == "image":
            return Image.at(source.place, front).api
        return f"{front}/{source.place.partition('://')[2]}" if front else source.place

    def _take(self, tool: Tool, source: Source, front: str | None) -> Path:
        target = self._folder / tool.name
        if source.kind == "image":
            digests = self._from_image(tool, source, front, target)
        else:
            digests = self._from_file(tool, source, front, target)
        program = digests["program"].removeprefix("sha256:")
        path = cache_dir() / f"{tool.name}-{tool.upstream_version}-sha256-{program[:16]}"
        record = DownloadRecord(source.place, source.platform, digests)
        note = self._folder / f"{tool.name}.json"
        note.write_text(json.dumps(record.__dict__, indent=1))
        # The note first: a program without one is never found.
        note.replace(path.parent / f".{path.name}.json")
        size = target.stat().st_size
        target.replace(path)
        self._display.line(
            f"downloaded {tool.name} {tool.upstream_version} ({size / 1e6:.0f} MB) "
            f"from {front or source.host}"
        )
        if not source.pinned:
            with self._lock:
                self._unpinned.append(f"{tool.name} {tool.upstream_version}")
        return path

    def _from_image(
        self, tool: Tool, source: Source, front: str | None, target: Path
    ) -> dict[str, str]:
        found = registry.take(
            self._web,
            Image.at(source.place, front),
            source.member,
            source.platform,
            target,
            Pin(**source.digests),
            lambda size: self._display.sized(tool.name, size),
            lambda count: self._display.passed(tool.name, count),
        )
        return {name: digest for name, digest in found.__dict__.items() if digest}

    def _from_file(
        self, tool: Tool, source: Source, front: str | None, target: Path
    ) -> dict[str, str]:
        address = self._address(source, front)
        if not source.member:
            digest = self._save(tool, address, target)
            _compare(source, "program", digest)
            return {"program": digest}
        archive = self._folder / f"archive-{hashlib.sha256(address.encode()).hexdigest()}"
        with self._lock:
            lock, known = self._archives.setdefault(address, (threading.Lock(), []))
        with lock:  # Several programs may be members of one archive: it is downloaded once.
            if not known:
                known.append(self._save(tool, address, archive))
        _compare(source, "archive", known[0])
        program = archives.unpacked(archive, source.member, target)
        _compare(source, "program", program)
        return {"archive": known[0], "program": program}

    def _save(self, tool: Tool, address: str, target: Path) -> str:
        """Write what is at `address` to `target`; return its digest."""
        digest = hashlib.sha256()
        name = tool.name
        chunks = self._web.stream(address, sized=lambda size: self._display.sized(name, size))
        with target.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
                self._display.passed(name, len(chunk))
                if file.tell() > archives.PROGRAM_BYTES:
                    raise HostError(f"larger than {archives.PROGRAM_BYTES >> 30} GiB")
        target.chmod(0o755)
        return f"sha256:{digest.hexdigest()}"


def _compare(source: Source, kind: str, digest: str) -> None:
    pinned = source.digests.get(kind)
    if pinned not in (None, digest):
        raise HostError(f"wrong digest: the {kind} is {digest}, pinned is {pinned}")
