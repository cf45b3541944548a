"""`python -m sandbox toolchain`: have the programs, say where they are, pin what was downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox import toolchain
from sandbox.cli import FAILED, Subparsers, say
from sandbox.download import cached, digest_of, record_of
from sandbox.sources import FILE, Sources
from sandbox.tools import Tool


def add_command(subparsers: Subparsers) -> None:
    """Add `toolchain` to the command line."""
    parser = subparsers.add_parser(
        "toolchain",
        help="download or build the programs that are not there yet",
        description="Have every program in place: from PATH, the cache, upstream's images and "
        "release files (SANDBOX_MIRROR=url in front of them, off for none), or a Go build.",
        epilog="example: python -m sandbox toolchain helm etcd",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", action="store_true", help="only show what is there")
    action.add_argument(
        "--lock", action="store_true", help="write the digests of what was downloaded"
    )
    parser.add_argument("tool", nargs="*", help="tools to have (default: all servers)")
    parser.set_defaults(run=run)


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
    for name, path in toolchain.ensure(parsed.tool or toolchain.SERVERS, say).items():
        say(f"{name:28} {path}")
    return 0


def lock(tools: list[Tool], file: Path) -> int:
    """Write the digests of downloaded programs into sources.yaml.

    tools: those that must have been downloaded; empty for whatever was. Returns 1 when there is
    nothing to write, or one of `tools` is missing.
    """
    sources = Sources(file)
    written, code = 0, 0
    for tool in tools or toolchain.TOOLS.values():
        path = cached(tool, sources.of(tool.name, tool.upstream_version))
        record = path and record_of(path)
        if not path or not record:
            if tools:
                say(f"{tool.name} {tool.upstream_version}: not downloaded")
                code = FAILED
            continue
        if digest_of(path) != record.digests["program"]:
            say(f"{path} is not what was downloaded: remove it, and download it again")
            code = FAILED
            continue
        version, found = tool.upstream_version, record.digests
        written += sources.pin(tool.name, version, record.place, record.platform, found)
        say(f"{tool.name} {version} {record.platform}: {found['program']}")
    if not written and code == 0:
        say("nothing was downloaded: run `python -m sandbox toolchain` first")
        return FAILED
    if written:
        sources.save()
    return code
