"""The one ingress gateway of these tests: minutes to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import ingress_gateway, project
from tests.e2e.ingress_gateway import Gateway
from tests.e2e.ingress_routes import ROUTES


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway as the program deploys it."""
    if reason := project.missing_engine() or ingress_gateway.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("ingress")
    copy = project.copy_to(folder / "project")
    try:
        with ingress_gateway.running(copy, folder, ROUTES) as found:
            yield found
    finally:
        copy.down()
