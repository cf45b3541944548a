"""The engine and the Kubernetes provider, from the cache and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sandbox import toolchain

pytestmark = pytest.mark.e2e

NAMES = ("pulumi", "pulumi-resource-kubernetes")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache's engine and provider, alone on PATH."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    toolchain._on_path.cache_clear()
    folder = toolchain.path_folder(NAMES)
    absent = [name for name in NAMES if not (folder / name).exists()]
    if absent:
        pytest.skip(f"{', '.join(absent)}: run `python -m sandbox toolchain {' '.join(absent)}`")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_the_caches_engine_deploys_with_the_caches_provider(alone: Path, tmp_path: Path) -> None:
    """Neither was installed, and no language host is there: the program runs in this process."""
    import pulumi_kubernetes as kubernetes
    from pulumi import ResourceOptions, automation

    rendered, state = tmp_path / "rendered", tmp_path / "state"
    state.mkdir()

    def program() -> None:
        provider = kubernetes.Provider("files", render_yaml_to_directory=str(rendered))
        kubernetes.core.v1.ConfigMap(
            "one",
            metadata={"name": "one", "namespace": "default"},
            data={"key": "value"},
            opts=ResourceOptions(provider=provider),
        )

    stack = automation.create_stack(
        "test",
        "engine",
        program,
        opts=automation.LocalWorkspaceOptions(
            work_dir=str(tmp_path),
            pulumi_home=str(tmp_path / "home"),
            env_vars={
                "PULUMI_BACKEND_URL": f"file://{state}",
                "PULUMI_CONFIG_PASSPHRASE": "",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            },
        ),
    )
    assert stack.up().summary.result == "succeeded"
    [made] = rendered.glob("1-manifest/*configmap*one*.yaml")
    assert yaml.safe_load(made.read_text())["data"] == {"key": "value"}
    assert (alone / "pulumi").readlink().parent == toolchain.cache_dir()
