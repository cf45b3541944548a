"""`python -m sandbox toolchain`: have the programs, say where they are, pin what was downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.cli import parsers
from sandbox import toolchain
from sandbox.cli import FAILED, Subparsers, say
from sandbox.download import cached, digest_of, download, record_of
from sandbox.sources import FILE, Sources
from sandbox.tools import Tool


def add_command(subparsers: Subparsers) -> None:
    """Add `toolchain` to the command line."""
    parser = parsers.command(
        subparsers,
        "toolchain",
        run,
        "Download or build missing programs. They come from PATH, the cache, upstream's images and "
        "release files ($SANDBOX_MIRROR: a mirror, or off), or a Go build.",
        "toolchain",
        "toolchain helm etcd",
        "toolchain --list",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--list", action="store_true", help="only list the programs and their versions"
    )
    action.add_argument(
        "--lock", action="store_true", help="write the digests of the downloaded files"
    )
    action.add_argument(
        "--platform", metavar="OS/ARCH", help="download for another machine, for --lock"
    )
    parser.add_argument("--own", action="store_true", help="use no program from PATH")
    parser.add_argument("tool", nargs="*", help="tools to have (default: all servers)")


def run(parsed: argparse.Namespace) -> int:
    """Have the tools, list or lock them; raises ToolMissing."""
    unknown = sorted(set(parsed.tool) - set(toolchain.TOOLS))
    if unknown:
        raise ValueError(f"no tool {unknown[0]!r}; there are {', '.join(toolchain.TOOLS)}")
    if parsed.list:
        for name, tool in toolchain.TOOLS.items():
            say(f"{name:28} {tool.version:11} {toolchain.find(name) or 'absent'}")
        return 0
    if parsed.lock:
        return lock([toolchain.TOOLS[name] for name in parsed.tool], FILE)
    if parsed.platform:
        return download_for(parsed.platform, parsed.tool or list(toolchain.TOOLS), Sources(FILE))
    had = toolchain.ensure(parsed.tool or toolchain.SERVERS, say, own=parsed.own)
    for name, path in had.items():
        say(f"{name:28} {path}")
    return 0


def download_for(machine: str, names: list[str], sources: Sources) -> int:
    """Download programs of another platform into the cache, from where `lock` pins them.

    Returns 1 when one could not be had.
    """
    tools = [toolchain.TOOLS[name] for name in names if machine in sources.platforms(name)]
    if not tools:
        known = sorted({each for name in names for each in sources.platforms(name)})
        raise ValueError(f"no program is there for {machine}; there are {', '.join(known)}")
    wanted = [tool for tool in tools if sources.of(tool.name, tool.upstream_version, machine)]
    found = download(wanted, sources, say, machine=machine)
    return 0 if len(found) == len(wanted) else FAILED


def lock(tools: list[Tool], file: Path) -> int:
    """Write the digests of downloaded programs into sources.yaml, for each platform.

    tools: those that must have been downloaded; empty for whatever was. Returns 1 when there is
    nothing to write, or one of `tools` is missing.
    """
    sources = Sources(file)
    written, code = 0, 0
    for tool in tools or toolchain.TOOLS.values():
        name, version = tool.name, tool.upstream_version
        machines = sources.platforms(name)
        paths = [path for m in machines if (path := cached(tool, sources.of(name, version, m)))]
        if tools and not paths:
            say(f"{name} {version}: not downloaded")
            code = FAILED
        for path in paths:
            record = record_of(path)
            if not record or digest_of(path) != record.digests["program"]:
                say(f"{path} is not what was downloaded: remove it, and download it again")
                code = FAILED
                continue
            found = record.digests
            written += sources.pin(name, version, record.place, record.platform, found)
            say(f"{name} {version} {record.platform}: {found['program']}")
    if not written and code == 0:
        say("nothing was downloaded: run `python -m sandbox toolchain` first")
        return FAILED
    if written:
        sources.save()
    return code
