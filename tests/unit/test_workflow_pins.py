"""What the workflows run is what somebody has chosen: actions by commit, tools by version."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.workflow_files import ACTIONS, PROJECT, WORKFLOWS, jobs, load, steps

FILES = [*WORKFLOWS, *ACTIONS]
RUNS = [(where, step["run"]) for where, step, _ in steps() if "run" in step]
# Actions of others by commit, checked against their releases.
PINS = {
    "actions/cache": ("5a3ec84eff668545956fd18022155c47e93e2684", "v4.2.3"),
    "actions/checkout": ("11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2"),
    "actions/download-artifact": ("d3f86a106a0bac45b974a628896c90dbdf5c8093", "v4.3.0"),
    "actions/setup-go": ("924ae3a1cded613372ab5595356fb5720e22ba16", "v6.5.0"),
    "actions/setup-python": ("a26af69be951a213d495a4c3e4e4022e16d87065", "v5.6.0"),
    "actions/upload-artifact": ("ea165f8d65b6e75b540449e92b4886f43607fa02", "v4.6.2"),
    "hashicorp/vault-action": ("4c06c5ccf5c0761b6029f56cfb1dcf5565918a3b", "v3.4.0"),
    "pulumi/actions": ("8e5e406f4007fca908480587cb9893c07090f58d", "v7.0.0"),
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_action_is_pinned_with_its_version(file: Any) -> None:
    """A tag can be moved; then somebody else's code has our token."""
    text = file.read_text()
    found = re.findall(r"^ *(?:- )?uses: (\S+)(?: # (\S+))?$", text, re.MULTILINE)
    assert len(found) == len(re.findall(r"\buses\W*:", text))
    for uses, comment in found:
        if uses.startswith("./"):
            target = PROJECT / uses
            assert target.is_file() or (target / "action.yml").is_file(), uses
        else:
            name, _, commit = uses.partition("@")
            assert re.fullmatch(r"[0-9a-f]{40}", commit)
            assert re.fullmatch(r"v[0-9]+\.[0-9]+\.[0-9]+", comment)
            assert (commit, comment) == PINS[name]


def test_every_pin_is_used() -> None:
    """One that nobody uses is one that nobody renews."""
    text = "".join(file.read_text() for file in FILES)
    assert {name for name in PINS if f"uses: {name}@" in text} == PINS.keys()


def test_every_tool_has_one_version_that_is_exact() -> None:
    """A range, or what lies in the runner's image, is another program next week."""
    requirements = (PROJECT / "requirements.txt").read_text()
    (engine,) = re.findall(r"^pulumi==(.*)$", requirements, re.MULTILINE)
    versions: dict[str, set[str]] = {}
    for where, step, _ in steps():
        given = step.get("with", {})
        for key in ("pulumi-version", "python-version", "go-version-file"):
            if key in given and where != "ci/test":
                versions.setdefault(key, set()).add(str(given[key]))
        assert "go-version" not in given, where
        assert "pulumi-version-file" not in given, where
        if step.get("uses", "").startswith("pulumi/actions@"):
            assert given == {"pulumi-version": engine}, where
        if step.get("uses", "").startswith("actions/setup-go@"):
            assert given == {"go-version-file": "sandbox/toolchain/helm/go.mod", "cache": False}
    assert versions["pulumi-version"] == {engine}
    (python,) = versions["python-version"]
    assert re.fullmatch(r"3\.[0-9]+\.[0-9]+", python)
    module = (PROJECT / "sandbox/toolchain/helm/go.mod").read_text()
    assert re.search(r"^go [0-9]+\.[0-9]+\.[0-9]+$", module, re.MULTILINE)
    for name, job, content in jobs():
        assert "-latest" not in str(content.get("runs-on")), f"{name}/{job}"


def test_every_job_that_runs_the_engine_or_helm_has_its_own() -> None:
    """A job without it would find the image's on PATH, and nobody would notice."""
    tools = {}
    for name, job, content in jobs():
        for step in content.get("steps", ()):
            if step.get("uses") == "./.github/actions/setup":
                tools[f"{name}/{job}"] = step["with"]["tool"]
    assert tools == {
        "plan/plan": "helm",
        "preview/preview": "pulumi",
        "drift/drift": "pulumi",
        "stack/preview": "pulumi",
        "stack/approve": "pulumi",
        "stack/up": "pulumi",
    }
    for where, line in RUNS:
        command = line.split()[3] if "-m bot" in line else ""
        if command in ("preview", "approve", "up", "drift"):
            assert tools[where] == "pulumi"
    setup = load(PROJECT / ".github/actions/setup/action.yml")["runs"]["steps"]
    conditions = {
        step["uses"].partition("@")[0]: step.get("if") for step in setup if "uses" in step
    }
    assert conditions["pulumi/actions"] == "inputs.tool == 'pulumi'"
    assert conditions["actions/setup-go"] == "inputs.tool == 'helm'"
    # What another job has put into a cache is not run beside credentials.
    assert conditions["actions/cache"] == "inputs.tool != 'pulumi'"
    order = [step.get("uses", step.get("run", "")).partition("@")[0] for step in setup]
    assert order.index("make venv") < order.index("make helm") < order.index("make charts")


def test_what_is_installed_beside_credentials_comes_from_the_lock() -> None:
    """`make venv` does it, and in a job it builds nothing."""
    for where, line in RUNS:
        assert "pip" not in line.split(), where
    makefile = (PROJECT / "Makefile").read_text()
    assert "$(if $(CI),--only-binary :all:)" in makefile
