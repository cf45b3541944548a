"""Rendering of chart archives, as the engine does it: `helm template` without a cluster."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.plan.render import KUBE_VERSION
from components.chart import ChartRef
from sandbox import module_charts
from stack.charts import MADE, ChartError, Charts
from tests.charts.program import PROJECT, ChartUse
from tests.programs import ran

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Manifest = dict[str, Any]
Key = tuple[str, str, str]


def helm() -> str:
    """The helm program; skips the test where there is none."""
    found = shutil.which("helm")
    if found is None:
        pytest.skip("helm is not on PATH: https://helm.sh/docs/intro/install/")
    return found


def archive(use: ChartUse) -> Path:
    """The archive that the program names; skips the test where it is not in the cache."""
    charts = Charts(PROJECT)
    name = use.release
    ref = charts.chart(name) if name in charts.entries else charts.crds(name.removesuffix("-crds"))
    assert ref.path == use.path
    try:
        charts.link(ref)
    except ChartError:
        if (made := _of_module(ref)) is not None:
            return made
        pytest.skip(f"chart archive {ref.name} {ref.version} is not in the cache: make charts")
    return PROJECT / ref.path


def _of_module(ref: ChartRef) -> Path | None:
    """The archive made of a Go module, where that has this version; test_module_charts.py."""
    name = ref.name.removesuffix("-crds")
    folder = Path(tempfile.gettempdir()) / f"linkerd-platform-charts-{os.getuid()}"
    try:
        versions = module_charts.make([name], folder) if name in module_charts.NAMES else {}
    except module_charts.NoModuleError:
        return None
    if versions.get(name) != ref.version:
        return None
    return folder / MADE / f"{ref.name}-{ref.version}.tgz"


def text_of(use: ChartUse, chart: Path, *files: Path) -> str:
    """What Helm makes of a chart with the values of `use`, and with value files on top of them."""
    return _render(use.release, use.namespace, chart, json.dumps(use.values, sort_keys=True), files)


@functools.cache
def _render(release: str, namespace: str, chart: Path, values: str, files: tuple[Path, ...]) -> str:
    return render_now(release, namespace, chart, values, files)


def render_now(
    release: str, namespace: str, chart: Path, values: str, files: tuple[Path, ...] = ()
) -> str:
    """A rendering made now, not one remembered; a failure carries Helm's own words."""
    over = [f"--values={file}" for file in files]
    done = ran(
        [helm(), "template", release, str(chart), f"--namespace={namespace}", "--include-crds",
         f"--kube-version={KUBE_VERSION}", "--values=-", *over],
        input=values, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> dict[Key, Manifest]:
    """The objects of a rendering by kind, namespace and name; one key twice is an error."""
    made: dict[Key, Manifest] = {}
    for document in yaml.load_all(text, Loader=_Loader):
        if not document:
            continue
        metadata = document["metadata"]
        key = (document["kind"], metadata.get("namespace", ""), metadata["name"])
        assert key not in made, key
        made[key] = document
    return made


def files_of(chart: Path) -> dict[str, str]:
    """The text files of an archive, by their path in it."""
    with tarfile.open(chart) as tar:
        return {
            member.name: content.read().decode()
            for member in tar
            if member.isfile() and (content := tar.extractfile(member))
        }


def default_values(chart: Path) -> dict[str, Any]:
    """The chart's own values.yaml, with those of its sub-charts below their names."""
    made: dict[str, Any] = {}
    for name, text in files_of(chart).items():
        parts = name.split("/")
        if parts[-1] != "values.yaml":
            continue
        subs = parts[2:-1:2]  # <chart>/charts/<sub>/values.yaml
        target = made
        for sub in subs:
            target = target.setdefault(sub, {})
        target.update(yaml.safe_load(text) or {})
    return made


def strings(value: Any) -> Iterator[str]:
    """Every string in a manifest, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def pod_spec(manifest: Manifest) -> dict[str, Any]:
    """The pod of a workload."""
    template = manifest["spec"].get("jobTemplate", manifest)["spec"]["template"]
    return dict(template["spec"])
