"""`make sandbox TRAFFIC=1`: which rows it adds, and when it refuses."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from sandbox import cli, prepare, run, traffic
from sandbox.node import node as nodes
from sandbox.node.load import HttpReply, Report
from sandbox.prepare import Found
from sandbox.toolchain import ToolMissing
from tests.unit.context import Context

_DOMAIN = "shop.serviceaccount.identity.linkerd.cluster.local"


class _Pod:
    """A pod of a node: it answers what it was told to, the last again and again."""

    def __init__(self, *replies: HttpReply, metrics: str = "") -> None:
        self._replies = list(replies)
        self._metrics = metrics

    def request(self, _url: str) -> HttpReply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def metrics(self) -> str:
        return self._metrics


class _Node:
    def __init__(self, **pods: _Pod) -> None:
        self._pods = pods

    def pod(self, _namespace: str, app: str) -> Any:
        return self._pods[app]


def _chain(*clients: str) -> HttpReply:
    text = "null"
    for each in reversed(clients):
        text = f'{{"client": "{each}", "next": {text}}}'
    return HttpReply(200, {}, text)


def _identities(*names: str) -> list[str]:
    return [f"{each}.{_DOMAIN}" for each in names]


def _metrics(*values: str) -> str:
    return "\n".join(
        f'request_total{{direction="inbound",tls="{each}",client_id="cart.{_DOMAIN}"}} 1'
        for each in values
    )


@pytest.mark.parametrize(
    ("reply", "metrics", "ok"),
    [
        (_chain(*_identities("client", "front", "cart")), _metrics("true", "true"), [True, True]),
        (_chain("", *_identities("front", "cart")), _metrics("true"), [False, True]),
        (HttpReply(502, {}, "bad"), "", [False, False]),
        (
            _chain(*_identities("client", "front", "cart")),
            _metrics("true", "loopback"),
            [True, False],
        ),
    ],
    ids=["meshed", "client outside", "no answer", "also without TLS"],
)
def test_mtls_is_what_server_and_proxy_have_seen(
    reply: HttpReply, metrics: str, ok: list[bool]
) -> None:
    """A client can claim what it likes: only the other side's word is a proof."""
    node: Any = _Node(client=_Pod(reply), stock=_Pod(metrics=metrics))
    assert [each.ok for each in traffic.mutual_tls(node)] == ok


@pytest.mark.parametrize(
    ("before", "plain", "client", "ok"),
    [(200, 403, 200, True), (403, 403, 200, False), (200, 200, 200, False), (200, 403, 403, False)],
    ids=["as it should be", "denied before", "never denied", "all denied"],
)
def test_a_denial_proves_something_beside_what_was_let_in(
    before: int, plain: int, client: int, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses everyone, or refused before, shows nothing of the policy."""
    monkeypatch.setattr(nodes, "until", lambda *_: True)
    node: Any = _Node(plain=_Pod(HttpReply(plain)), client=_Pod(HttpReply(client)))
    assert traffic.denied(node, before).ok is ok


@pytest.mark.parametrize(
    ("statuses", "ok"),
    [({200: 9}, True), ({200: 9, 502: 1}, False), ({200: 9, 0: 1}, False), ({}, False)],
)
def test_one_failed_request_fails_the_row(statuses: dict[int, int], ok: bool) -> None:
    """No request at all is no success either."""
    assert traffic.answered(Report(statuses, (1.0,), 0, (), {}, ())).ok is ok


def _options(**more: Any) -> argparse.Namespace:
    given = {"context": None, "strict": False, "ephemeral": False, "kind": False, "traffic": True}
    return argparse.Namespace(**{**given, **more})


def _prepared(monkeypatch: pytest.MonkeyPatch, found: Found | Exception) -> None:
    def prepared(*_: object, **__: object) -> Found:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(prepare, "prepare", prepared)
    monkeypatch.setattr(traffic, "require", lambda _say: None)
    Context(monkeypatch).engine()


@pytest.mark.parametrize("asked", [{"kind": True}, {"context": "mine"}])
def test_traffic_is_for_the_embedded_cluster_alone(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a cluster of the user's, the anchor is not ours to rotate."""
    _prepared(monkeypatch, Found())
    assert run.run(_options(**asked)) == 2
    assert "leave CONTEXT out" in capsys.readouterr().err


def test_where_no_node_can_be_had_it_says_so_in_one_line_and_begins_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, before anything is downloaded, built or started."""

    def begun(*_: object, **__: object) -> Found:
        raise AssertionError("prepared")

    monkeypatch.setattr(prepare, "prepare", begun)

    def missing(_programs: Sequence[str] = ()) -> str:
        return "pods as processes need root: run it with sudo -E"

    monkeypatch.setattr(nodes, "missing", missing)
    monkeypatch.setattr(traffic, "as_root", lambda: None)
    assert cli.main(["run", "--traffic"]) == 3
    assert capsys.readouterr().err == (
        "sandbox: TRAFFIC=1: pods as processes need root: run it with sudo -E\n"
    )


@pytest.mark.parametrize(("uid", "begun"), [(1000, True), (0, False)])
def test_a_user_who_is_not_root_becomes_it_in_a_namespace(
    uid: int, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to give the command rights over the machine."""
    front = ("unshare", "--user", "--")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(sys, "argv", ["sandbox", "run", "--traffic"])
    monkeypatch.setattr(traffic, "as_root", lambda: front)
    monkeypatch.setattr(nodes, "missing", lambda _programs=(): None)
    monkeypatch.setattr(traffic.toolchain, "download", lambda *_: None)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    # Given back what `require` sets, too.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    commands = []
    monkeypatch.setattr(os, "execvp", lambda _program, command: commands.append(command))
    traffic.require(lambda _text: None)
    again = [*front, sys.executable, "-m", "sandbox", "run", "--traffic"]
    assert commands == ([again] if begun else [])
    assert os.environ.get("PULUMI_HOME") == ("/home/someone/.pulumi" if begun else None)


@pytest.mark.parametrize(
    "found", [Found(("WITHOUT LINKERD",), whole=False), ToolMissing("etcd: not on PATH")]
)
def test_where_no_mesh_can_be_deployed_there_is_no_traffic(
    found: Found | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for requests must not take a plan, or half a mesh, for an answer."""
    _prepared(monkeypatch, found)
    monkeypatch.setattr(run, "_on_embedded", lambda *_, **__: 0)
    monkeypatch.setattr(run.subprocess, "run", lambda *_, **__: None)
    assert run.run(_options()) == 3
