"""`python -m sandbox toolchain [--list]`."""

from __future__ import annotations

import argparse

from sandbox import toolchain
from sandbox.cli import Subparsers, say


def add_command(subparsers: Subparsers) -> None:
    """Add `toolchain` to the command line."""
    parser = subparsers.add_parser("toolchain", help="build the servers that are not there yet")
    parser.add_argument("--list", action="store_true", help="only show what is there")
    parser.add_argument("--own", action="store_true", help="take nothing from PATH")
    parser.add_argument("tool", nargs="*", help="tools to build (default: all servers)")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Build, or list; raises ToolMissing."""
    unknown = sorted(set(parsed.tool) - set(toolchain.TOOLS))
    if unknown:
        raise ValueError(f"no tool {unknown[0]!r}; there are {', '.join(toolchain.TOOLS)}")
    if parsed.list:
        for name, tool in toolchain.TOOLS.items():
            say(f"{name:24} {tool.version:8} {toolchain.find(name) or 'absent'}")
        return 0
    built = toolchain.ensure(parsed.tool or toolchain.SERVERS, say, own=parsed.own)
    for name, path in built.items():
        say(f"{name:24} {path}")
    return 0
