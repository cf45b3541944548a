"""The one egress gateway of these tests: minutes to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import egress_gateway, ingress_gateway, project
from tests.e2e.egress_gateway import OutwardGateway


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutwardGateway]:
    """The gateway as the program deploys it."""
    if reason := project.missing_engine() or ingress_gateway.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("egress")
    copy = project.copy_to(folder / "project")
    try:
        with egress_gateway.running(copy, folder) as found:
            yield found
    finally:
        copy.down()
