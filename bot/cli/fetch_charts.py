"""`make charts` and `make charts-lock`: what charts.yaml lists, into the cache.

CHARTS_LOCATION names another place than each chart's own repository, CHARTS_USERNAME and
CHARTS_PASSWORD a login there; CHARTS_DIR another cache.
Exit codes: 0 done, 1 something could not be had, 2 charts.yaml or a setting is faulty, 3 no helm.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from schema import archive, safe_yaml
from schema.input_file import MOST_TEXT, read_bytes, read_text
from schema.values import printable
from stack.charts import ChartError, Charts, cache_dir
from stack.charts.lock import locked
from stack.charts.sources import (
    HelmMissingError,
    LocationError,
    Source,
    SourceError,
    Wanted,
    source,
    target,
)

PROJECT_DIR = Path(__file__).resolve().parents[2]
DONE, FAILED, FAULTY, TOOL_MISSING = 0, 1, 2, 3
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(content: bytes) -> str:
    """The digest as it stands in charts.yaml: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def fault_in(wanted: Wanted, content: bytes, digest: str | None) -> str | None:
    """What is wrong with the content of an archive or manifest; None when it is the one wanted."""
    if digest is not None and digest_of(content) != digest:
        return (
            f"its digest is {digest_of(content)}, charts.yaml has {digest}. Somebody changed the "
            "archive, or the version in charts.yaml is new: then remove the digest, and run "
            "`make charts charts-lock`"
        )
    if wanted.url is not None:
        return None if b"kind: CustomResourceDefinition" in content else "it contains no CRD"
    chart = f"{wanted.name}/Chart.yaml"
    try:
        metadata = safe_yaml.load(archive.files(content, chart.__eq__)[chart], MOST_TEXT)
    except archive.ArchiveError as error:
        return f"it is not a complete archive of the chart {wanted.name}: {error}"
    except (KeyError, ValueError):
        metadata = None
    if not isinstance(metadata, dict):
        return f"it is not an archive of the chart {wanted.name}: it has no {chart} with keys"
    found = f"{printable(metadata.get('name'))} {printable(metadata.get('version'))}"
    return None if found == str(wanted) else f"it is {found}"


def wanted_of(charts: Charts) -> dict[str, Wanted]:
    """What charts.yaml lists; raises ChartError for a digest that is none."""
    made = {}
    for name, entry in charts.entries.items():
        if entry.digest is not None and not _DIGEST.fullmatch(entry.digest):
            raise ChartError(
                f"charts.yaml: {name}.digest: {entry.digest!r} is not a digest: write sha256: and "
                "64 "
                "hexadecimal digits, or remove it and run `make charts-lock`"
            )
        made[name] = Wanted(
            name, entry.version, charts.source(name).name, entry.repository, entry.url
        )
    return made


def fetch(charts: Charts, get: Source) -> int:
    """Download what is not in the cache yet; one line each. What was fetched stays on a failure."""
    code = DONE
    for name, wanted in wanted_of(charts).items():
        try:
            _say(f"{wanted}: {fetch_one(charts, wanted, charts.entries[name].digest, get)}")
        except (SourceError, OSError) as error:
            _complain(f"{wanted}: {error}")
            code = max(code, TOOL_MISSING if isinstance(error, HelmMissingError) else FAILED)
    return code


def fetch_one(charts: Charts, wanted: Wanted, digest: str | None, get: Source) -> str:
    """Have one of them in the cache; says in words how. Raises SourceError or OSError."""
    target = charts.source(wanted.name)
    if target.exists() and fault_in(wanted, read_bytes(target), digest) is None:
        return "there already"
    content = get(wanted)
    if fault := fault_in(wanted, content, digest):
        raise SourceError(f"the download was discarded: {fault}")
    _write(target, content)
    return f"fetched, {digest_of(content)}"


def push(charts: Charts, put: Callable[[Wanted, bytes], None]) -> int:
    """Put what lies in the cache into a registry, so that CHARTS_LOCATION can name it."""
    code = DONE
    for name, wanted in wanted_of(charts).items():
        try:
            content = read_bytes(charts.source(name))
            fault = fault_in(wanted, content, charts.entries[name].digest)
            if fault is None:
                put(wanted, content)
                _say(f"{wanted}: pushed, {digest_of(content)}")
            else:
                _complain(f"{charts.source(name)}: {fault}")
                code = max(code, FAILED)
        except FileNotFoundError:
            _complain(f"{wanted}: not in {cache_dir()}: run `make charts`")
            code = max(code, FAILED)
        except (SourceError, OSError) as error:
            _complain(f"{wanted}: {error}")
            code = max(code, TOOL_MISSING if isinstance(error, HelmMissingError) else FAILED)
    return code


def lock(charts: Charts, file: Path) -> int:
    """Write the digests of what lies in the cache into charts.yaml; 1 when something is missing."""
    digests, code = {}, DONE
    for name, wanted in wanted_of(charts).items():
        target = charts.source(name)
        if not target.is_file():
            _complain(f"{wanted}: not in {cache_dir()}: run `make charts`")
            code = FAILED
            continue
        content = read_bytes(target)
        if fault := fault_in(wanted, content, None):
            _complain(f"{target}: {fault}: delete it and run `make charts`")
            code = FAILED
            continue
        digests[name] = digest_of(content)
        _say(f"{wanted}: {digests[name]}")
    _write(file, locked(read_text(file), digests).encode())
    return code


def _write(target: Path, content: bytes) -> None:
    # Another run may be reading it: the name is never that of half a file.
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"charts: {text}\n")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bot.cli.fetch_charts",
        description="Download the chart archives that charts.yaml lists into the cache, from\n"
        "upstream or from $CHARTS_LOCATION, and check their digests.",
        epilog="examples:\n  python -m bot.cli.fetch_charts\n"
        "  python -m bot.cli.fetch_charts --lock\n"
        "  python -m bot.cli.fetch_charts --push oci://registry.example.com/charts",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--lock", action="store_true", help="write the digests of the cache into charts.yaml"
    )
    what.add_argument(
        "--push",
        metavar="LOCATION",
        help="put the cache into a registry (oci://), with the manifests as charts",
    )
    return parser


def main(arguments: Sequence[str], project_dir: Path = PROJECT_DIR) -> int:
    """Fetch, or with `--lock` write digests; returns the exit code."""
    parsed = parser().parse_args(list(arguments))
    try:
        charts = Charts(project_dir)
        if parsed.lock:
            return lock(charts, project_dir / "charts.yaml")
        if parsed.push:
            return push(charts, target(parsed.push))
        return fetch(charts, source(os.environ.get("CHARTS_LOCATION")))
    except (ChartError, LocationError) as error:
        _complain(str(error))
        return FAULTY
    except OSError as error:
        _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
        return FAILED


if __name__ == "__main__":
    # Only here: nothing else of this package needs the bot.
    from bot.cli import crash

    sys.exit(crash.guarded("python -m bot.cli.fetch_charts", lambda: main(sys.argv[1:])))
