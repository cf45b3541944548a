"""Where the benchmark runs: a copy of the project, clusters of its own, all in one folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import sandbox
from bot.clients.target import Target
from bot.engine import sandbox_stack
from bot.engine import target as engine_target
from components import cert_manager, linkerd, viz
from sandbox.settings import Settings
from stack.arguments import chart_refs
from stack.charts import Charts

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"


def copy_of_project(folder: Path) -> Path:
    """The project's tracked files and its virtual environment in `folder`."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (PROJECT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, target)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    return folder


def platform_target(project: Path) -> tuple[Settings, Target]:
    """A running sandbox on free ports for the copy of the project, and its stack."""
    settings = Settings.ephemeral(project / ".sandbox")
    sandbox.cluster_up(settings, lambda _text: None)
    text = sandbox_stack.content(project)
    return settings, engine_target.sandbox(project, text, engine_target.embedded_token(project))


def program(name: str, folder: Path, like: Target, environment: dict[str, str]) -> Target:
    """A copy of one of bench/programs with a file backend of its own, run as `like` is."""
    shutil.copytree(PROGRAMS / name, folder)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    state = folder / ".state"
    state.mkdir()
    common = {
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        **environment,
    }
    return replace(like, stack="bench", project_dir=folder, config_file=None, environment=common)


def naive_environment(target: Target, kubeconfig: Path) -> dict[str, str]:
    """The four charts of the naive program, with the values that the platform has for them."""
    config = target.config
    if config.cluster is None:
        raise ValueError("the sandbox stack has no cluster")
    refs = chart_refs(config, Charts(PROJECT))
    control_plane = linkerd.arguments(config, config.cluster, refs, None, cni=False)
    cert_manager_values = cert_manager.cert_manager_values(config.cert_manager.replicas)
    values = {
        "cert-manager": ("cert-manager", {**cert_manager_values, "crds": {"enabled": True}}),
        "linkerd-crds": ("linkerd", {"installGatewayAPI": False}),
        # Nobody answers the webhooks of simulated pods, and nothing opens them here.
        "linkerd-control-plane": (
            "linkerd",
            {**linkerd.values(control_plane), "webhookFailurePolicy": "Ignore"},
        ),
        "linkerd-viz": (
            "linkerd-viz",
            viz.values(viz.arguments(config, config.cluster, refs, None)),
        ),
    }
    charts = {
        name: {
            "namespace": namespace,
            "archive": str((target.project_dir / refs[name].path).resolve()),
            "values": chart_values,
        }
        for name, (namespace, chart_values) in values.items()
    }
    return {"BENCH_CHARTS": json.dumps(charts), "BENCH_KUBECONFIG": str(kubeconfig)}
