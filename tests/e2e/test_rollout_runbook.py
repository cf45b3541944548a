"""The page on meshing a namespace and undoing it, run as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.rollout.component import INJECT, STATE_LABEL
from tests.e2e.project import Copy
from tests.e2e.runbook_page import Page, wait_gone, with_objects
from tests.e2e.test_rollout import deployment, namespace

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def page(mesh: tuple[Copy, str]) -> Iterator[Page]:
    """A namespace of another tool with one workload; afterwards it goes."""
    web = deployment("web")
    web["metadata"]["namespace"] = "shop"
    with with_objects(Page(mesh[0], "mesh-a-namespace.md"), namespace("shop"), web) as made:
        yield made


def metadata(page: Page) -> dict[str, Any]:
    found = page.get("v1", "Namespace", "shop")
    assert found
    return dict(found["metadata"])


def test_the_page_meshes_a_namespace_and_takes_it_out_again(page: Page) -> None:
    """Who goes back does so in a bad hour: the page must work as it stands."""
    assert "first" in page.run("Plan it")
    said = page.run("Take the next wave in")
    assert "wave first (team-web): off to on: safe" in said
    assert "shop/deployment/web: is up" in said
    assert metadata(page)["annotations"][INJECT] == "enabled"
    page.unchanged()
    said = page.run("Undo it")
    assert "wave first (team-web): on to off: safe" in said
    assert INJECT not in metadata(page)["annotations"]
    assert STATE_LABEL not in metadata(page)["labels"]


def test_a_namespace_that_is_not_there_is_refused_before_anything_changes(page: Page) -> None:
    """Preview and update alike say what to do; no empty namespace is left behind."""
    waves = [{"name": "first", "state": "on", "namespaces": ["shopp"]}]
    page.write({"linkerd-platform:rollout": {"waves": waves}})
    for command in ("preview", "up"):
        more = ("--yes",) if command == "up" else ()
        done = page.copy.run("bot", command, "--stack", "sandbox", *more)
        assert done.returncode == 4, f"{done.stdout}\n{done.stderr}"
        assert "namespace shopp of wave first is not in the cluster" in done.stderr
    assert page.get("v1", "Namespace", "shopp") is None


def test_a_namespace_that_its_owner_deleted_does_not_come_back_with_our_keys(page: Page) -> None:
    """Its wave goes back by a refresh, not by a patch that makes it anew."""
    waves = [{"name": "first", "state": "on", "namespaces": ["brief"]}]
    page.objects.apply(namespace("brief"))
    page.write({"linkerd-platform:rollout": {"waves": waves}})
    update = ("bot", "up", "--stack", "sandbox", "--yes")
    done = page.copy.run(*update)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    page.objects.delete(namespace("brief"))
    wait_gone(page, "brief")
    page.write({})
    done = page.copy.run(*update)
    assert done.returncode == 4, f"{done.stdout}\n{done.stderr}"
    assert "run this with --refresh" in done.stderr
    done = page.copy.run(*update, "--refresh")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert page.get("v1", "Namespace", "brief") is None
