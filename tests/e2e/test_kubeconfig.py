"""What tests/unit/kubeconfig_cases.py says of kubectl, asked of kubectl."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.programs import ran
from tests.unit.kubeconfig_cases import CASES, Case
from tests.unit.kubeconfig_servers import World, world
from tests.unit.kubeconfig_written import WRITTEN

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize("case", [*CASES, *WRITTEN], ids=lambda case: case.name)
def test_kubectl_does_as_the_table_says(case: Case, servers: World) -> None:
    """The bot is held to the table; the table has to be true, of this kubectl too."""
    paths = case.written(servers.folder, servers.names)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(servers.folder),
        "KUBECONFIG": os.pathsep.join(map(str, paths)),
        **case.variables(servers.names),
    }
    context = ("--context", case.context) if case.context else ()
    done = ran(
        ("kubectl", *context, "version", "--output", "json"),
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    assert servers.outcome() == servers.expected(case), done.stderr
