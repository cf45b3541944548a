"""`python -m bot latency`: what the proxies cost, measured in the cluster as pairs of one run."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable

from bot.cli.dispatch import Subparsers
from bot.cli.parsers import examples_text
from bot.cli.signals import ending_signals_interrupt
from bot.clients.connect import cluster as api_server
from bot.clients.https import Client
from bot.clients.target import Target
from bot.exit_codes import DONE, FAILED, BadInputError, RefusedError
from bot.mesh.latency import cluster, fortio, text
from bot.mesh.latency.cluster import BenchSetting, ClusterBench
from bot.mesh.latency.model import LatencyReport, Load, Run
from bot.mesh.latency.objects import NAMESPACE
from bot.mesh.latency.rounds import rounds
from bot.mesh.trust import fleet as trust_fleet

_TEXT = f"""\
Measure what the proxies cost: Jobs with a load generator call a server without proxies, with
the server's, and with both, in interleaved rounds. Makes the namespace {NAMESPACE} and deletes
it at the end, also on Ctrl-C; changes nothing else. Needs the right to create and delete
namespaces, and in that one pods, services and jobs, and to read pods/log and pods/proxy
(docs/runbooks/latency.md)."""
_EXAMPLES = (
    "python -m bot latency --stack staging",
    "python -m bot latency --stack staging --rate 200 --connections 4 --json",
    "python -m bot latency --stack staging --rate 0      # throughput: as fast as it goes",
    "python -m bot latency --stack staging --clean       # what a killed run left",
)
# The fields of `Load`: the least and the most of each, and what it is.
_NUMBERS: dict[str, tuple[int, int, str]] = {
    "rate": (0, 50_000, "requests a second, well below what the server can do; 0: as many as go"),
    "connections": (1, 512, "connections of the client"),
    "seconds": (5, 900, "length of each run"),
    "warm_up": (0, 120, "seconds of load before each run that do not count"),
    "rounds": (2, 50, "runs of each kind, interleaved"),
}
_LONGEST_IMAGE = 255
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9.:/_@-]*")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    usual = Load()
    parser = subparsers.add_parser(
        "latency",
        description=_TEXT,
        epilog=examples_text(_EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stack", required=True, metavar="NAME")
    for name, (least, most, words) in _NUMBERS.items():
        default = getattr(usual, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_whole(least, most),
            default=default,
            metavar="N",
            help=f"{words} (default {default})",
        )
    parser.add_argument(
        "--client-node", metavar="NODE", help="node of the clients (default: the first ready one)"
    )
    parser.add_argument(
        "--server-node", metavar="NODE", help="node of the server (default: the second one)"
    )
    parser.add_argument(
        "--image",
        type=_image,
        metavar="IMAGE",
        help=f"image with fortio (default {fortio.IMAGE}:{fortio.VERSION}, at the mirror that "
        "`images` of the stack file names)",
    )
    parser.add_argument(
        "--clean", action="store_true", help="delete what a killed run left, and measure nothing"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(words: str) -> int:
        number = int(words) if re.fullmatch(r"[0-9]{1,9}", words) else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(
                f"{words!r}: must be a whole number from {least} to {most:,}"
            )
        return number

    return whole


def _image(words: str) -> str:
    if len(words) > _LONGEST_IMAGE or not _IMAGE.fullmatch(words):
        raise argparse.ArgumentTypeError(f"{words!r}: write it like {fortio.IMAGE}:1.2.3")
    return words


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; FAILED where figures are not to be relied on or something is left."""
    target = trust_fleet.target_of(arguments.stack)
    config = target.config
    if config.cluster is None:
        raise BadInputError(
            f"stack {arguments.stack} has no cluster, so there is nothing to measure"
        )
    with api_server(target) as api:
        if arguments.clean:
            return _clean(api, arguments.stack)
        if config.sandbox.open_webhooks:
            raise RefusedError(
                f"stack {arguments.stack}: no pod runs there (sandbox.openWebhooks): measure in a "
                "cluster whose pods do"
            )
        return _measure(api, target, arguments)


def _measure(api: Client, target: Target, arguments: argparse.Namespace) -> int:
    config = target.config
    assert config.cluster is not None  # noqa: S101  (the caller has looked)
    load = Load(**{name: getattr(arguments, name) for name in _NUMBERS})
    image = arguments.image or f"{config.images.of(fortio.IMAGE)}:{fortio.VERSION}"
    client, server = cluster.nodes(api, arguments.client_node, arguments.server_node)
    setting = BenchSetting(
        target.stack,
        image,
        client,
        server,
        tolerations=config.placement.tolerations,
        cni=config.cni_plugin.enabled,
    )
    pinned = "digest" if "@sha256:" in image else "version"
    places = {
        "client on": client,
        "server on": server,
        "image": f"{image} (pinned by {pinned})",
    }
    bench = ClusterBench(api, setting, load)
    _say(
        f"{load}: about {_minutes(load)} min; Ctrl-C ends it and deletes the namespace {NAMESPACE}"
    )
    made: list[Run] = []
    left = ""
    try:
        with ending_signals_interrupt():
            bench.open()
            made = rounds(bench, load, _say)
    finally:
        left = _closed(bench)
        if left:
            _say(f"left behind: {left}")
    report = LatencyReport(
        target.stack, config.cluster.name, load, made, places, (left,) if left else ()
    )
    if arguments.json:
        sys.stdout.write(f"{json.dumps(text.document(report), indent=2)}\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in text.lines(report)))
    return FAILED if report.doubts or report.left else DONE


def _closed(bench: ClusterBench) -> str:
    """What is left; a second Ctrl-C does not wait for the end of the deletion."""
    try:
        return bench.close()
    except KeyboardInterrupt:
        return (
            f"namespace {NAMESPACE}, of which the deletion was not awaited: look with "
            f"`python -m bot latency --stack {bench.setting.stack} --clean`"
        )


def _clean(api: Client, stack: str) -> int:
    found = cluster.left_over(api)
    if found is None:
        _say(f"there is no namespace {NAMESPACE}: nothing is left")
        return DONE
    left = cluster.remove(api, stack, found["metadata"]["uid"], 120.0)
    _say(f"left behind: {left}" if left else f"namespace {NAMESPACE} is deleted")
    return FAILED if left else DONE


def _minutes(load: Load) -> int:
    # A pod starts in 10 seconds or so; the image is pulled once.
    return max(1, round(load.rounds * 3 * (load.seconds + load.warm_up + 10) / 60))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
