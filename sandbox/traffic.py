"""`make sandbox TRAFFIC=1`: requests through real proxies, and the rows that they add to the table.

Linkerd's programs and a small shop run as pods of a node (`sandbox.node`), beside the servers of
the sandbox; cert-manager, trust-manager and Vault do their part as ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bot.mesh.status.evidence import Verification
from components.names import LINKERD
from sandbox import toolchain
from sandbox.node import node as nodes
from sandbox.node import objects
from sandbox.node.linux import as_root
from sandbox.node.load import Report
from sandbox.node.node import ProcessNode
from sandbox.node.pod import Loading
from sandbox.settings import Settings

SHOP = "shop"
_DOMAIN = "serviceaccount.identity.linkerd.cluster.local"
_FRONT, _STOCK = "http://front.shop:8080/", "http://stock.shop:8080/"
_RPS, _SECONDS = 25, 4
# Updates and restarts take minutes; the load ends when they have.
_LONGEST = 1800.0
# Each change of a rotation: what is said of it, and what makes it.
Step = tuple[str, Callable[[], None]]


def require(say: Callable[[str], None]) -> None:
    """Have the programs in place; raises ToolMissing with what is not there, and what to do.

    A user who is not root has this command begin again, as root of a user namespace.
    """
    if os.geteuid() != 0 and (front := as_root()):
        say("traffic: root of a user namespace, for the pods' networks and mounts")
        sys.stdout.flush()
        # The engine asks the list of users for its home: that of root is not this user's.
        os.environ.setdefault("PULUMI_HOME", str(Path.home() / ".pulumi"))
        os.execvp(front[0], [*front, sys.executable, "-m", "sandbox", *sys.argv[1:]])  # noqa: S606
    reason = nodes.missing(())
    if reason is None:
        toolchain.download(nodes.PROGRAMS, say)
        reason = nodes.missing()
    if reason:
        raise toolchain.ToolMissing(f"TRAFFIC=1: {reason}")


@contextmanager
def running_shop(settings: Settings, say: Callable[[str], None]) -> Iterator[ProcessNode]:
    """A node with the control plane and the shop, for as long as the block runs."""
    say("traffic: the control plane's pods begin as processes")
    with nodes.running(settings, (LINKERD, SHOP)) as node:
        say("traffic: the control plane is ready; the shop's pods begin")
        node.apply(*objects.shop(SHOP))
        node.wait(SHOP)
        yield node


def rows(node: ProcessNode) -> list[Verification]:
    """What requests show of a mesh whose anchor stays as it is."""
    found = [answered(_load(node)), *mutual_tls(node)]
    open_to_all = node.pod(SHOP, objects.PLAIN).request(_STOCK).status
    policy = objects.meshed_only(SHOP, "stock")
    node.apply(*policy)
    try:
        found.append(denied(node, open_to_all))
    finally:
        node.delete(*policy)
    return found


def answered(report: Report) -> Verification:
    """Every request through the three services has its answer."""
    return Verification(
        "requests client > front > cart > stock",
        "each one answered",
        f"{report.good} of {report.sent}, p50 {report.ms(50):.0f} ms",
        report.sent > 0 and not report.failed,
    )


def mutual_tls(node: ProcessNode) -> list[Verification]:
    """What the last server knows of its client, and what its proxy counted."""
    reply = node.pod(SHOP, objects.CLIENT).request(_FRONT)
    at = reply.json() if reply.status == 200 else {}
    chain = []
    while at:
        chain.append(str(at["client"]).partition(f".{SHOP}.{_DOMAIN}")[0])
        at = at.get("next")
    wanted = [objects.CLIENT, "front", "cart"]
    counted = tls_of(node.pod(SHOP, "stock").metrics(), "cart")
    return [
        Verification(
            "mTLS seen by each server",
            f"l5d-client-id: {', '.join(wanted)}",
            ", ".join(each or "none" for each in chain) or f"status {reply.status}",
            chain == wanted,
        ),
        Verification(
            "mTLS seen by the proxy of stock",
            'tls="true" for cart alone',
            ", ".join(counted) or "no request",
            counted == ['tls="true"'],
        ),
    ]


def tls_of(metrics: str, client: str) -> list[str]:
    """The values of `tls` with which a proxy has counted requests of a client, each one once."""
    found = set()
    for line in metrics.splitlines():
        if line.startswith("request_total{") and f'client_id="{client}.' in line:
            found |= {each for each in line.partition("{")[2].split(",") if each[:4] == "tls="}
    return sorted(found)


def denied(node: ProcessNode, before: int) -> Verification:
    """A pod without a proxy is let in before there is a policy, and refused with it."""
    plain, client = node.pod(SHOP, objects.PLAIN), node.pod(SHOP, objects.CLIENT)
    nodes.until(lambda: plain.request(_STOCK).status == 403, 10)
    seen = (before, plain.request(_STOCK).status, client.request(_STOCK).status)
    return Verification(
        "denied without identity",
        "200 without a policy; with it 403, and 200 to a client of the mesh",
        f"{seen[0]}; {seen[1]}, and {seen[2]}",
        seen == (200, 403, 200),
    )


def rotated(
    node: ProcessNode, steps: Sequence[Step], say: Callable[[str], None], rps: float = _RPS
) -> Verification:
    """Change the anchor under load, restarting everything after each change.

    A proxy takes the anchors up when it starts, and so does the one of the client that sends the
    requests: a fresh client takes over from it before it could matter.
    """
    reports: list[Report] = []
    with ExitStack() as stack:
        sending = _sending(node, 0, rps, stack)
        for number, (what, change) in enumerate(steps, 1):
            say(f"traffic: {what}, under load")
            change()
            node.restart(LINKERD)
            node.restart(SHOP, *objects.CHAIN)
            following = _sending(node, number, rps, stack)
            reports.append(sending.finish())
            sending = following
        reports.append(sending.finish())
    for number in range(len(steps) + 1):
        node.delete(*objects.server(SHOP, f"{objects.CLIENT}-{number}"))
    good, sent = sum(each.good for each in reports), sum(each.sent for each in reports)
    first = next((each.failures[0] for each in reports if each.failures), "")
    return Verification(
        "anchor rotated under load",
        "no failed request",
        f"{good} of {sent} good, {node.restarts} pods restarted{first and '; ' + first}",
        sent > 0 and good == sent,
    )


def _load(node: ProcessNode) -> Report:
    return node.pod(SHOP, objects.CLIENT).load(_FRONT, rps=_RPS, seconds=_SECONDS)


def _sending(node: ProcessNode, number: int, rps: float, stack: ExitStack) -> Loading:
    name = f"{objects.CLIENT}-{number}"
    node.apply(*objects.server(SHOP, name))
    node.wait(SHOP, name)
    load = node.pod(SHOP, name).loading(_FRONT, rps=rps, seconds=_LONGEST, connections=32)
    return stack.enter_context(load)
