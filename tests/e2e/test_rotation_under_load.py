"""Whole rotations of the anchor while a shop of real proxies is asked 100 times a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import traffic
from sandbox.node import node as nodes
from tests.e2e import project
from tests.e2e.checker import serials
from tests.e2e.trust_mesh import TrustMesh

pytestmark = pytest.mark.e2e
_RPS, _LEAF_SECONDS, _TRAVEL_SECONDS = 100, 240, 120


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[TrustMesh]:
    """A mesh whose proxies renew their certificates every few minutes, as real ones."""
    if not os.environ.get("E2E_SLOW"):
        pytest.skip("two rotations under load take twenty minutes: set E2E_SLOW=1")
    if reason := project.missing_engine() or nodes.missing():
        pytest.skip(reason)
    copy = project.copy_to(tmp_path / "project", project.SHARED_TTL_SECONDS)
    made = TrustMesh(copy, leaf_seconds=_LEAF_SECONDS)
    try:
        made.begin()
        yield made
    finally:
        copy.down()


def test_an_anchor_of_either_custody_replaces_the_other_and_no_request_fails(
    mesh: TrustMesh,
) -> None:
    """From Vault's key to one of cert-manager's and back; the old root is gone each time."""
    with traffic.running_shop(mesh.copy.settings, print) as node:
        for custody in ("cluster", "vault"):
            row = traffic.rotated(node, _steps(mesh, custody), print, _RPS)
            print(row.seen)
            assert row.ok, row.seen
            assert serials(mesh.roots()) == [mesh.anchors()[mesh.signing].serial_number]


def _steps(mesh: TrustMesh, custody: str) -> list[traffic.Step]:
    name = f"anchor-{len(mesh.generations) + 1}"

    def add() -> None:
        assert mesh.add(custody) == name
        _deploy(mesh, f"{name} is trusted", lambda: len(mesh.roots()) == 2)

    def switch() -> None:
        mesh.signing = name
        _deploy(mesh, f"{name} signs", lambda: mesh.signer() == name)

    def retire() -> None:
        mesh.retire(name)
        _deploy(mesh, f"{name} alone is trusted", lambda: len(mesh.roots()) == 1)

    return [(f"{custody}: {each.__name__}", each) for each in (add, switch, retire)]


def _deploy(mesh: TrustMesh, what: str, done: Callable[[], bool]) -> None:
    mesh.up()
    mesh.wait(what, done, _TRAVEL_SECONDS)
