"""The page on opening an egress host, run as it is written with the real engine.

tests/e2e/test_mesh_egress.py has Linkerd's own policy controller say what proxies let through.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from components.egress.component import NAME
from components.egress.packets import NETWORK_POLICY
from tests.e2e.project import Copy
from tests.e2e.runbook_page import Page, with_objects
from tests.e2e.test_rollout import namespace

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH"),
]
ROLLOUT = {"waves": [{"name": "w", "state": "on", "namespaces": ["shop"]}]}


@pytest.fixture(scope="module")
def page(mesh: tuple[Copy, str]) -> Iterator[Page]:
    made = Page(mesh[0], "open-an-egress-host.md", {"rollout": ROLLOUT})
    with with_objects(made, namespace("shop")) as ready:
        yield ready


def traffic(page: Page) -> str:
    found = page.get("policy.linkerd.io/v1alpha1", "EgressNetwork", NAME, "shop")
    assert found
    return str(found["spec"]["trafficPolicy"])


def packets(page: Page) -> bool:
    return page.get("networking.k8s.io/v1", "NetworkPolicy", NETWORK_POLICY, "shop") is not None


def test_the_page_sees_denies_opens_and_goes_back(page: Page) -> None:
    """Each step is a change of the stack file that the engine applies, and leaves nothing over."""
    said = page.run("See")
    assert "tls-443-api.stripe.com" in said
    assert "http-80-plain.example.org" in said
    assert (traffic(page), packets(page)) == ("Allow", False)
    page.run("Deny")
    assert (traffic(page), packets(page)) == ("Deny", True)
    page.unchanged()
    said = page.run("Open")
    assert "tls-any-443-example.com" in said
    page.unchanged()
    page.run("Back")
    assert (traffic(page), packets(page)) == ("Allow", False)
