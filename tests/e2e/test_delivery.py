"""What `up` may do, with the real engine on real servers: approvals, locks, kills, proofs.

One mesh for all, in the order of the file; each test leaves it healthy and committed.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from tests.e2e.delivery import Pipeline

pytestmark = pytest.mark.e2e
_DEPLOYMENTS = "/apis/apps/v1/namespaces/linkerd/deployments"
_CONFIG_MAPS = "/api/v1/namespaces/linkerd/configmaps"
_VIZ_ON, _VIZ_OFF = {"viz": {"enabled": True}}, {"viz": {"enabled": False}}


def _log_level(level: str) -> dict[str, Any]:
    return {"linkerd": {"logLevel": level}}


def test_first_deployment_is_proven_and_in_the_history(pipeline: Pipeline) -> None:
    """The baseline: by its own operation, from a clean commit."""
    (row,) = pipeline.history()
    assert (row["outcome"], row["clean"], row["verified"]) == ("succeeded", True, "yes")
    assert row["commit"] == pipeline.git("rev-parse", "HEAD")


def test_preview_approve_up(pipeline: Pipeline) -> None:
    """The way of every change: looked at once, and applied as it was looked at."""
    pipeline.configure(_log_level("debug"))
    approval = pipeline.approve()
    told = pipeline.up(0, "--approved", str(approval))
    assert "checks passed" in told
    assert "approved by ada" in told
    row = pipeline.history()[0]
    assert (row["approvedBy"], row["verified"]) == ("ada", "yes")
    assert "verdict: no changes" in pipeline.up(0, "--approved", str(approval))


def test_stale_approval_is_refused_and_says_what_is_stale(pipeline: Pipeline) -> None:
    """A commit, a file that is not committed, a state that somebody else has moved."""
    pipeline.configure(_log_level("info"))
    approval = str(pipeline.approve())
    updates = len(pipeline.history())
    (pipeline.copy.folder / "notes.md").write_text("new")
    old = pipeline.git("rev-parse", "HEAD")
    pipeline.commit()
    assert "stale: commit: was " in pipeline.up(4, "--approved", approval)
    pipeline.git("reset", "-q", "--hard", old)
    pipeline.configure(_log_level("error"), commit=False)
    told = pipeline.up(4, "--approved", approval)
    assert "stale: tree: was clean" in told
    assert "stale: file Pulumi.sandbox.yaml: was " in told
    pipeline.git("checkout", "-q", ".")
    urn = pipeline.urn("::linkerd-control-plane:linkerd/linkerd-identity")
    pipeline.pulumi("state", "protect", urn, "--yes")
    assert "stale: version of the state: was " in pipeline.up(4, "--approved", approval)
    pipeline.pulumi("state", "unprotect", urn, "--yes")
    assert len(pipeline.history()) == updates
    pipeline.up(0, "--approved", str(pipeline.approve()))


def test_second_bot_waits_for_the_first(pipeline: Pipeline) -> None:
    """Two pipelines at once: without time to wait it says who; with it both do their work."""
    pipeline.configure(_log_level("warn"))
    first = pipeline.start("first", "--yes")
    second = None
    try:
        first.wait_for("lock", pipeline.locked)
        assert "is locked by " in pipeline.up(1, "--yes")
        if pipeline.locked():
            second = pipeline.start("second", "--yes", "--wait", "240")
            first.wait_for("waiting", lambda: "waiting" in second.told() or not pipeline.locked())
        first.ended(0)
        assert second, "the first was done before the second began"
        told = second.ended(0)
        assert "is locked by " in told
        assert "verdict: no changes" in told
    finally:
        for each in filter(None, (first, second)):
            each.stop()


def test_killed_bot_is_gone_on_with_by_the_same_approval(pipeline: Pipeline) -> None:
    """Its lock is dead, its work half done, and its approval still for the rest of it."""
    pipeline.configure(_VIZ_ON)
    approval = str(pipeline.approve())
    bot = pipeline.start("killed", "--approved", approval)
    try:
        bot.wait_for("lock", pipeline.locked)
        # What its preview said is above that.
        seen = len(bot.told())
        bot.wait_for("viz", lambda: "] viz begins" in bot.told()[seen:])
        time.sleep(1.5)
    finally:
        bot.kill()
    assert pipeline.locked()
    told = pipeline.up(0, "--approved", approval)
    assert "was taken over: its run is dead" in told
    assert "resuming with approval" in told
    assert "checks passed" in told
    pipeline.must(0, "preview", "--stack", "sandbox", "--expect-no-changes")


def test_protected_action_needs_its_flag(pipeline: Pipeline) -> None:
    """To drop an extension drops its namespace: also what others have put into it."""
    pipeline.configure(_VIZ_OFF)
    told = pipeline.up(4, "--yes")
    assert "Namespace linkerd-viz: is deleted" in told
    assert "--allow namespace" in told
    pipeline.approve(code=4)
    approval = pipeline.approve("--allow", "namespace")
    pipeline.up(0, "--approved", str(approval))
    assert pipeline.copy.api.request("GET", "/api/v1/namespaces/linkerd-viz").status == 404


def test_policy_to_deny_is_refused(pipeline: Pipeline) -> None:
    """One line in the stack file, and every caller outside the mesh is shut out."""
    pipeline.configure({"linkerd": {"defaultInboundPolicy": "deny"}})
    told = pipeline.up(4, "--yes")
    assert "default inbound policy becomes deny" in told
    assert "--allow deny" in told
    pipeline.configure(_log_level("warn"))
    pipeline.up(0, "--yes")


def test_unhealthy_mesh_fails_the_update(pipeline: Pipeline) -> None:
    """Everything was applied, and the mesh is not well: that is no success."""
    labels = {"app": "stuck"}
    container = {"name": "c", "image": "example.com/c:1"}
    pod = {"nodeSelector": {"no": "node"}, "containers": [container]}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "stuck", "namespace": "linkerd"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    commit = pipeline.commit()
    assert pipeline.copy.api.request("POST", _DEPLOYMENTS, manifest).ok
    try:
        told = pipeline.up(1, "--yes")
    finally:
        assert pipeline.copy.api.request("DELETE", f"{_DEPLOYMENTS}/stuck").ok
    assert "failed: stack sandbox is not healthy: Deployments" in told
    assert "linkerd/stuck" in told
    row = pipeline.history()[0]
    assert (row["commit"], row["outcome"], row["verified"]) == (commit, "succeeded", "not known")
    assert "not verified: --no-verify" in pipeline.up(0, "--yes", "--no-verify")
    assert pipeline.history()[0]["verified"] == "skipped"


def test_wave_that_requires_approval_is_refused_without(pipeline: Pipeline) -> None:
    """By the fleet file alone: nobody has to remember an option."""
    folder = pipeline.copy.folder
    # An owner is in no wave: one that says of the anchor what the sandbox says.
    document = yaml.safe_load((folder / "Pulumi.sandbox.yaml").read_text())
    config = {f"linkerd-platform:{name}": document["config"][f"linkerd-platform:{name}"]
              for name in ("vault", "trust")}  # fmt: skip
    owner = {"config": {"linkerd-platform:role": "owner", **config}}
    (folder / "Pulumi.owner.yaml").write_text(yaml.safe_dump(owner))
    cluster = {"stack": "sandbox", "environment": "production"}
    waves = [{"name": "all", "approval": "required", "clusters": [cluster]}]
    (folder / "fleet.yaml").write_text(yaml.safe_dump({"owner": "owner", "waves": waves}))
    told = pipeline.up(4, "--yes")
    assert "environment: is development, and fleet.yaml says production" in told
    pipeline.configure({"environment": "production"}, commit=False)
    assert "takes only a commit" in pipeline.up(4, "--yes")
    pipeline.commit()
    assert "needs an approval" in pipeline.up(4, "--yes")
    pipeline.up(0, "--approved", str(pipeline.approve()))


def test_destroy_needs_its_flags(pipeline: Pipeline) -> None:
    """The last of all. What a team has put beside the control plane goes by no flag but its own."""
    ours = ("destroy", "--stack", "sandbox", "--yes")
    assert "--allow stack" in pipeline.must(4, *ours)
    # It needs an approval since the test before, also to go.
    assert "needs an approval" in pipeline.must(4, *ours, "--allow", "stack")
    (pipeline.copy.folder / "fleet.yaml").unlink()
    pipeline.configure({"environment": "development"})
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "of-a-team"}}
    assert pipeline.copy.api.request("POST", _CONFIG_MAPS, theirs).ok
    told = pipeline.must(4, *ours, "--allow", "stack")
    assert "Namespace linkerd: is deleted" in told
    assert "ConfigMap linkerd/of-a-team (--allow namespace)" in told
    assert pipeline.copy.api.request("GET", f"{_CONFIG_MAPS}/of-a-team").ok
    assert pipeline.copy.api.request("DELETE", f"{_CONFIG_MAPS}/of-a-team").ok
    pipeline.must(0, *ours, "--allow", "stack")
    assert pipeline.copy.api.request("GET", "/api/v1/namespaces/linkerd").status == 404
