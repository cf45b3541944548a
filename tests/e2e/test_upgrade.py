"""The runbook `upgrade` from the version before last to the pinned one, release by release."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot.engine import sandbox_stack
from components.names import LINKERD
from stack.charts import cache_dir
from tests.e2e import project
from tests.e2e.mesh_objects import Objects, meshed_workload
from tests.e2e.project import PROJECT
from tests.e2e.runbook import Runbook
from tests.e2e.trust_mesh import TrustMesh

pytestmark = pytest.mark.e2e
_LIST = yaml.safe_load((PROJECT / "charts.yaml").read_text(encoding="utf-8"))
_RELEASES = list(_LIST["releases"].values())[-3:]
_CHARTS = [name for name in _LIST["charts"] if re.match(r"linkerd(2-cni|-(?!buoyant))", name)]
_DEPLOYMENTS = "/apis/apps/v1/deployments"


class _Mesh(TrustMesh):
    """A mesh with the lifetimes of a stack file: with those of a rotation `status` warns."""

    def write(self) -> None:
        """Write the stack file."""
        super().write()
        file = self.copy.folder / sandbox_stack.TRACKED
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        del document["config"]["linkerd-platform:trust"]["issuer"]
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrustMesh]:
    """A running cluster and Vault, and a chart cache that has the older charts too."""
    older = os.environ.get("OLDER_CHARTS_DIR")
    if not older:
        pytest.skip("no charts of older releases: set OLDER_CHARTS_DIR to a folder of archives")
    if reason := project.missing_engine():
        pytest.skip(reason)
    cache = tmp_path / "charts"
    cache.mkdir()
    for folder in (cache_dir(), Path(older)):
        for file in folder.iterdir():
            (cache / file.name).symlink_to(file.resolve())
    monkeypatch.setenv("CHARTS_DIR", str(cache))
    made = _Mesh(project.copy_to(tmp_path / "project"))
    try:
        _pin(made, _RELEASES[0])
        made.begin()
        yield made
    finally:
        made.copy.down()


def _pin(mesh: TrustMesh, version: str) -> None:
    """What the page has one write into charts.yaml."""
    file = mesh.copy.folder / "charts.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name in _CHARTS:
        document["charts"][name]["version"] = version
        document["charts"][name].pop("digest", None)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _generations(mesh: TrustMesh) -> dict[str, int]:
    """The Deployments, and the generation of each: another one is a restart."""
    found = mesh.copy.api.request("GET", _DEPLOYMENTS).body["items"]
    return {
        f"{at['namespace']}/{at['name']}": at["generation"]
        for at in (it["metadata"] for it in found)
    }


def test_public_reports_46_the_page_leads_from_the_version_before_last_to_the_pinned_one(
    mesh: TrustMesh,
) -> None:
    """Restarted are the Deployments of the control plane, as previewed, and nothing else."""
    objects, running = Objects(mesh.copy.api), _edge(_RELEASES[0])
    objects.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    objects.apply(meshed_workload("Deployment", "web", 2, running))
    # An update of a high risk is agreed to by name.
    names = {"up --stack staging": "up --stack sandbox --yes"}
    own = {f"{LINKERD}/linkerd-{name}" for name in ("destination", "identity", "proxy-injector")}
    for version in _RELEASES[1:]:
        _pin(mesh, version)
        book = Runbook(mesh, "upgrade.md", names, {})
        before = _generations(mesh)
        said = mesh.run("bot", "preview", "--stack", "sandbox")
        assert "high risk" in said
        print(said)
        # `status` names the proxies that are a release behind.
        assert running in book.run("Apply it")
        after = _generations(mesh)
        assert {name for name, at in after.items() if at != before[name]} == own
        book.run("Restart what is meshed")
        last = _generations(mesh)
        assert {name for name, at in last.items() if at != after[name]} == {"shop/web"}
        # What the injector of the new control plane makes of a pod that restarts.
        running = _edge(version)
        objects.apply(meshed_workload("Deployment", "web", 2, running))


def _edge(version: str) -> str:
    return f"edge-{version[2:]}"
