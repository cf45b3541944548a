"""The entry of the program: a faulty stack ends with code 2 before anything is registered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ran
from tests.unit.stack_files import REPO, engine_values, good, spoilt, write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the entry and the list of charts, beside the real modules."""
    for name in ("__main__.py", "charts.yaml", "Pulumi.yaml"):
        shutil.copy(REPO / name, tmp_path)
    return tmp_path


def run(
    project: Path, config: dict[str, str], **environment: str
) -> subprocess.CompletedProcess[str]:
    """The program as its language host starts it, with no engine to answer it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "VAULT_"))}
    return ran(
        [sys.executable, str(project / "__main__.py")],
        cwd=project,
        env={
            **kept,
            "PYTHONPATH": str(REPO),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PULUMI_CONFIG": json.dumps(config),
            **environment,
        },
    )


def test_a_faulty_stack_ends_with_code_2_and_a_line_per_fault(project: Path) -> None:
    """A traceback hides which key to mend."""
    sections = spoilt({("linkerd", "replcas"): 3, ("vault", "address"): "vault", ("role",): "x"})
    done = run(project, engine_values(sections))
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("Pulumi.stack.yaml: linkerd-platform:") for line in lines)
    assert "Traceback" not in done.stderr


def test_an_empty_config_names_all_that_is_missing(project: Path) -> None:
    """The first run of a new stack."""
    done = run(project, {})
    assert done.returncode == 2
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        f"linkerd-platform:{key}" for key in ("role", "vault", "trust")
    ]


def test_missing_archives_end_with_code_2_before_anything_is_registered(project: Path) -> None:
    """Half of the charts installed is worse than none."""
    empty = project / "cache"
    empty.mkdir()
    done = run(project, engine_values(good()), CHARTS_DIR=str(empty))
    assert done.returncode == 2
    assert done.stderr.startswith("chart archives missing: gateway-api-crds ")
    assert len(done.stderr.splitlines()) == 1
    assert list(project.glob(".local/*")) == []


def test_a_good_stack_gets_past_its_config(project: Path) -> None:
    """Otherwise the tests above would pass with any program that fails."""
    write(project, good("owner"))
    done = run(project, engine_values(good("owner")))
    assert done.returncode == 1
    assert "pulumi.run may only be called while a Pulumi program is running" in done.stderr


def test_the_entry_stays_small() -> None:
    """What is in it cannot be tested without a process."""
    assert len((REPO / "__main__.py").read_text("utf-8").splitlines()) < 45
