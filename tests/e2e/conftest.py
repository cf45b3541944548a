"""The mesh that several e2e tests look at, and the empty cluster that each fault begins with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.mesh.status.verification_vault import leaks
from tests.e2e import mesh_processes, project, written
from tests.e2e.delivery import Pipeline
from tests.e2e.mesh_processes import Controllers
from tests.e2e.project import Copy
from tests.e2e.sandbox_cluster import running_sandbox
from tests.e2e.shared_mesh import Shared
from tests.e2e.trust_mesh import TrustMesh
from tests.run import UNTIL


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """No test begins when the time of the whole run is over: CI would end it without its counts."""
    if (until := os.environ.get(UNTIL)) and time.time() > int(until):
        pytest.skip("TEST_MINUTES are over")


@pytest.fixture(scope="session", autouse=True)
def _standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Plugins that are not published as Go modules keep no test from running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ.get("PATH", os.defpath))
        project.place_standins(tmp_path_factory.mktemp("standins"))
        yield


@pytest.fixture(scope="session")
def shared_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The one sandbox of a run that is as `make sandbox` leaves it: a minute to make."""
    _skip_without_engine()
    folder = tmp_path_factory.mktemp("mesh") / "project"
    copy = project.copy_to(folder, project.SHARED_TTL_SECONDS)
    try:
        done = copy.run("sandbox", "run", "--ephemeral", "--strict")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        yield Shared(copy, done.stdout + done.stderr)
    finally:
        copy.down()


@pytest.fixture(scope="module")
def mesh(shared_mesh: Shared) -> Iterator[tuple[Copy, str]]:
    """The sandbox as `make sandbox` leaves it, and what the command printed.

    Each module must leave it as it was, so that their order says nothing: that is asserted.
    """
    yield shared_mesh.copy, shared_mesh.said
    shared_mesh.assert_as_found()


@pytest.fixture(scope="module")
def trust_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrustMesh]:
    """A mesh of the module's own for rotations: each test leaves it with another anchor, healthy.

    Afterwards no key and no token is in its state, the state's history, its logs, or any output.
    """
    if not os.environ.get("E2E_SLOW"):
        pytest.skip("rotations wait for certificates to end: set E2E_SLOW=1")
    _skip_without_engine()
    folder = tmp_path_factory.mktemp("trust") / "project"
    made = TrustMesh(project.copy_to(folder, project.SHARED_TTL_SECONDS))
    try:
        made.begin()
        yield made
        assert leaks({**written.files(made), **made.said}, written.secrets(made)) == []
    finally:
        made.copy.down()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A sandbox that was deployed by the bot, from a commit, without viz."""
    _skip_without_engine()
    made = Pipeline(project.copy_to(tmp_path_factory.mktemp("pipeline") / "project"))
    try:
        made.begin()
        yield made
    finally:
        made.copy.down()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Copy]:
    """A running cluster and Vault with nothing of ours in them."""
    _skip_without_engine()
    copy = project.copy_to(tmp_path / "project")
    try:
        done = copy.run("sandbox", "cluster", "up", "--ephemeral")
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        yield copy
    finally:
        copy.down()


@pytest.fixture(scope="session")
def linkerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controllers]:
    """A cluster with Linkerd's own programs in its pods' place."""
    reason = mesh_processes.missing_controllers()
    if reason:
        pytest.skip(f"upstream's CRDs alone judge what the program makes: {reason}")
    folder = tmp_path_factory.mktemp("linkerd")
    with (
        running_sandbox(folder) as cluster,
        mesh_processes.running_controllers(cluster, folder) as made,
    ):
        yield made


def _skip_without_engine() -> None:
    reason = project.missing_engine()
    if reason:
        pytest.skip(reason)
