"""A rollback and a fleet in waves, with the real engine on one real mesh.

In the order of the file; each test of the rollback leaves the mesh healthy and committed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import engine
from bot.engine import sandbox_stack
from bot.mesh.trust import fleet as trust_fleet
from tests.e2e.delivery import Pipeline
from tests.programs import ran

pytestmark = pytest.mark.e2e
_DEPLOYMENT = "/apis/apps/v1/namespaces/linkerd/deployments/linkerd-destination"


def _arguments(pipeline: Pipeline) -> str:
    answer = pipeline.copy.api.request("GET", _DEPLOYMENT)
    containers: list[dict[str, Any]] = answer.body["spec"]["template"]["spec"]["containers"]
    return " ".join(word for each in containers for word in each.get("args", ()))


def test_the_commit_before_is_applied_again_and_then_previews_as_no_change(
    pipeline: Pipeline,
) -> None:
    """What the cluster has afterwards is what it had, and the history says which commit that is."""
    before = pipeline.git("rev-parse", "HEAD")
    pipeline.configure({"linkerd": {"logLevel": "debug"}})
    pipeline.up(0, "--yes")
    assert "-log-level=debug" in _arguments(pipeline)
    told = pipeline.must(0, "rollback", "--stack", "sandbox", "--to", "HEAD~1", "--yes")
    assert "checks passed" in told
    assert "-log-level=debug" not in _arguments(pipeline)
    row = pipeline.history()[0]
    assert (row["commit"], row["clean"], row["verified"]) == (before, True, "yes")
    looked = pipeline.must(0, "rollback", "--stack", "sandbox", "--to", before, "--preview")
    assert re.search(r"no changes, \d+ resources unchanged", looked)
    assert pipeline.git("status", "--porcelain") == ""
    pipeline.must(5, "preview", "--stack", "sandbox", "--expect-no-changes")


def test_an_approved_rollback_applies_what_was_approved(pipeline: Pipeline) -> None:
    """The approver sees the same preview as whoever applies it."""
    pipeline.up(0, "--yes")
    approval = pipeline.folder / "rollback.approval.json"
    back = ("rollback", "--stack", "sandbox", "--to")
    pipeline.must(0, *back, "HEAD~1", "--approve-by", "ada", "--out", str(approval))
    assert "stale: commit" in pipeline.must(4, *back, "HEAD", "--approved", str(approval))
    told = pipeline.must(0, *back, "HEAD~1", "--approved", str(approval))
    assert "approved by ada" in told
    assert "-log-level=debug" not in _arguments(pipeline)


def test_trust_that_went_forward_does_not_go_back(pipeline: Pipeline) -> None:
    """Refused by the files alone: nothing was applied yet of the new generation."""
    stack = yaml.safe_load((pipeline.copy.folder / "Pulumi.sandbox.yaml").read_text())
    trust = stack["config"]["linkerd-platform:trust"]
    more = {**trust, "generations": [*trust["generations"], {"name": "new", "lifetime": "365d"}]}
    pipeline.configure({"trust": more})
    told = pipeline.must(4, "rollback", "--stack", "sandbox", "--to", "HEAD~1", "--yes")
    assert "it does not trust anchor generation new" in told
    pipeline.configure({"trust": trust})
    told = pipeline.must(4, "rollback", "--stack", "sandbox", "--to", "HEAD~1", "--yes")
    assert "it trusts anchor generation new, which is now no longer known" in told


def test_a_chart_that_is_not_there_is_a_missing_tool(pipeline: Pipeline) -> None:
    """With the way to get it at that revision."""
    charts = pipeline.copy.folder / "charts.yaml"
    today = charts.read_text()
    charts.write_text(re.sub(r"version: 20\d\d\.\d+\.\d+", "version: 2001.1.1", today))
    pipeline.commit()
    charts.write_text(today)
    pipeline.commit()
    told = pipeline.must(3, "rollback", "--stack", "sandbox", "--to", "HEAD~1", "--preview")
    assert "make -C ../rollback charts" in told


# Both stacks are the one cluster, whose mesh is there: so the proofs after each update are real.
# Each waits for the other to have begun, which it does only where they run at the same time.
_PROGRAM = """\
import pathlib, time
import pulumi

folder, stack = pathlib.Path(".local"), pulumi.get_stack()
folder.mkdir(exist_ok=True)
(folder / f"begun-{stack}").touch()
deadline = time.monotonic() + 90
while not all((folder / f"begun-{name}").exists() for name in ("one", "two")):
    if time.monotonic() > deadline:
        raise RuntimeError("the other has not begun")
    time.sleep(0.1)
if stack == "two" and (folder / "broken").exists():
    raise RuntimeError("two is broken")
pulumi.export("stack", stack)
"""
_FLEET = """\
owner: sandbox
waves:
  - name: canary
    clusters:
      - {stack: one, environment: staging}
      - {stack: two, environment: staging}
  - name: production
    clusters:
      - {stack: three, environment: production}
"""


@dataclass(frozen=True)
class Waves:
    """The copy with a program of a few lines and three more stacks."""

    pipeline: Pipeline
    environment: dict[str, str]

    def up(self, wave: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and document of `up --wave`."""
        words = ["-m", "bot", "up", "--wave", wave, "--yes", "--json", *options]
        done = ran(
            [sys.executable, *words],
            cwd=self.pipeline.copy.folder,
            env=self.environment,
            timeout=500,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout or "{}") or {"stderr": done.stderr}


@pytest.fixture(scope="module")
def waves(pipeline: Pipeline) -> Waves:
    """Stacks in a backend of their own; the owner of the anchor is the sandbox itself."""
    copy = pipeline.copy
    document = yaml.safe_load(sandbox_stack.content(copy.folder))
    config = document["config"]
    config["linkerd-platform:role"] = "cluster"
    # It is what fleet.yaml says.
    del config["linkerd-platform:environment"]
    for name in ("one", "two", "three"):
        config["linkerd-platform:cluster"]["name"] = name
        text = yaml.safe_dump(document, sort_keys=False)
        (copy.folder / f"Pulumi.{name}.yaml").write_text(text)
    (copy.folder / "__main__.py").write_text(_PROGRAM)
    (copy.folder / "fleet.yaml").write_text(_FLEET)
    state = copy.folder / ".pipeline" / "state"
    state.mkdir(parents=True, exist_ok=True)
    own = {
        **copy.target.environment,
        "PULUMI_BACKEND_URL": state.resolve().as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    for name in ("one", "two", "three"):
        target = trust_fleet.target_of(name, copy.folder)
        made = type(target)(name, copy.folder, target.config, None, own)
        engine.create_stack(copy.engine, made)
    pipeline.commit()
    return Waves(pipeline, {**os.environ, **copy.environment(), **own})


def _outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {each["stack"]: each["outcome"] for each in document["stacks"]}


def test_a_wave_runs_in_parallel_and_stops_at_a_failure(waves: Waves) -> None:
    """The one that works is applied and proven; the next wave is refused meanwhile."""
    broken = waves.pipeline.copy.folder / ".local" / "broken"
    broken.touch()
    code, document = waves.up("canary")
    assert (code, _outcomes(document)) == (1, {"one": "applied", "two": "failed"}), document
    log = next(Path(each["log"]) for each in document["stacks"] if each["stack"] == "two")
    assert "two is broken" in log.read_text()
    code, document = waves.up("production")
    assert code == 4
    assert "missing: two: no commit was ever applied to it" in document["stderr"]
    broken.unlink()


def test_run_again_it_goes_on_where_it_was_left(waves: Waves) -> None:
    """The first is passed over by the proof in its history, and then the next wave may begin."""
    code, document = waves.up("canary")
    assert (code, _outcomes(document)) == (0, {"one": "skipped", "two": "applied"}), document
    code, document = waves.up("production")
    assert (code, _outcomes(document)) == (0, {"three": "applied"}), document
