"""The sandbox stack on charts of its own, and without Linkerd where its charts cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.engine import sandbox_stack
from tests.unit.stack_files import REPO
from tests.unit.whole_program import CHART, OURS, RELEASE, Evaluated, evaluated_file


def _evaluated(tmp_path: Path, sandbox: dict[str, object], *, preview: bool = False) -> Evaluated:
    document = yaml.safe_load((REPO / sandbox_stack.TRACKED).read_text(encoding="utf-8"))
    document["config"]["linkerd-platform:sandbox"] |= sandbox
    file = tmp_path / sandbox_stack.TRACKED
    file.write_text(yaml.safe_dump(document))
    return evaluated_file(file, preview)


@pytest.mark.parametrize("preview", [True, False])
def test_all_before_linkerd_is_made_as_with_it_and_nothing_after(
    preview: bool, tmp_path: Path
) -> None:
    """What is proven without it is then true with it; its CRDs are not there for anything else."""
    whole = _evaluated(tmp_path, {}, preview=preview)
    part = _evaluated(tmp_path, {"linkerd": False}, preview=preview)
    urns = {resource.urn for resource in part.resources}
    inputs = {resource.urn: resource.inputs for resource in whole.resources}
    for resource in part.resources:
        assert resource.inputs == inputs[resource.urn], resource.urn
    missing = {r.type for r in whole.resources if r.urn not in urns and r.type.startswith(OURS)}
    assert missing == {"linkerd-platform:mesh:Linkerd", "linkerd-platform:mesh:Viz"}
    # Six webhooks' certificates and the issuer wait for it.
    assert len(part.of("Certificate")) == len(whole.of("Certificate"))


def test_charts_out_of_modules_are_named_by_their_path_and_version(tmp_path: Path) -> None:
    """Who reads the state must see that they are not those of charts.yaml."""
    made = _evaluated(tmp_path, {"charts": {"external-secrets": "0.20.4"}})
    charts = {r.inputs["name"]: r.inputs for r in made.resources if r.type in (CHART, RELEASE)}
    assert charts["external-secrets"]["chart"] == "./.sandbox/charts/external-secrets-0.20.4.tgz"
    assert (
        charts["external-secrets-crds"]["chart"]
        == "./.sandbox/charts/external-secrets-crds-0.20.4.tgz"
    )
    assert charts["cert-manager"]["chart"].startswith("./.local/cert-manager-")
