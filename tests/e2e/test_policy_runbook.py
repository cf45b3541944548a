"""The page on moving a namespace to deny, run as it is written with the real engine.

tests/e2e/test_policy.py has Linkerd's own policy controller say who gets in at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from components.policy.namespace_policy import DEFAULT_INBOUND_POLICY
from tests.e2e import real_prometheus
from tests.e2e.project import Copy
from tests.e2e.runbook_page import Page, with_objects
from tests.e2e.test_policy import BAR, INSIDE, PAGE, ROLLOUT, audited, shop
from tests.e2e.test_rollout import namespace

pytestmark = pytest.mark.e2e
POLICY = "policy.linkerd.io"


@pytest.fixture(scope="module")
def page(mesh: tuple[Copy, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A namespace in the mesh that bar calls, as a Prometheus knows."""
    if reason := real_prometheus.missing():
        pytest.skip(reason)
    with real_prometheus.running(tmp_path_factory.mktemp("prometheus")) as (exporter, prometheus):
        exporter.count("inbound_http_authz_allow_total", audited(BAR))
        real_prometheus.wait_scraped(prometheus, exporter)
        instead = {"http://127.0.0.1:9090": prometheus.url}
        made = Page(mesh[0], PAGE, {"rollout": ROLLOUT}, instead)
        with with_objects(made, namespace(INSIDE), namespace("callers"), *shop()) as ready:
            yield ready


def inbound_policies(page: Page) -> tuple[str | None, str | None]:
    """The default policy of the namespace as its new pods get it, and that of foo's port."""
    found = page.get("v1", "Namespace", INSIDE)
    server = page.get(f"{POLICY}/v1beta3", "Server", "foo-8080", INSIDE)
    assert found
    annotations: dict[str, Any] = found["metadata"].get("annotations", {})
    inbound = annotations.get(DEFAULT_INBOUND_POLICY)
    return inbound, server["spec"]["accessPolicy"] if server else None


def test_the_page_takes_a_namespace_to_deny_and_back(page: Page) -> None:
    """Each step is a change of the stack file that the engine applies, and leaves nothing over."""
    page.run("Audit")
    assert inbound_policies(page) == ("audit", None)
    printed = page.run("Write the rules")
    section = yaml.safe_load(printed)
    assert section["linkerd-platform:policy"]["namespaces"][INSIDE]["services"]
    said = page.run("Deny")
    assert "clients at ports: 1 allowed, 0 unknown, 0 denied" in said
    assert inbound_policies(page) == ("deny", "deny")
    rule = page.get(f"{POLICY}/v1alpha1", "AuthorizationPolicy", _rule(page), INSIDE)
    assert rule
    assert rule["spec"]["targetRef"]["name"] == "foo-8080"
    assert "0 denied" in page.run("The whole cluster")
    page.unchanged()
    page.run("Back")
    assert inbound_policies(page) == ("audit", "audit")
    page.unchanged()


def _rule(page: Page) -> str:
    path = f"/apis/{POLICY}/v1alpha1/namespaces/{INSIDE}/authorizationpolicies"
    answer = page.copy.api.request("GET", path)
    assert answer.ok, answer
    names = [each["metadata"]["name"] for each in answer.body["items"]]
    (found,) = [each for each in names if each.startswith("foo-8080-callers-bar")]
    return str(found)
