"""Charts and CRDs out of Go modules, where the repositories of charts.yaml do not answer.

cert-manager, trust-manager, External Secrets and Envoy Gateway publish their chart's source within
their module, at the version whose program the sandbox builds, and the Gateway API its CRDs. What a
release fills in is filled in here. They are the sandbox's alone: no other stack looks for them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from sandbox import upstream
from sandbox.toolchain import MODULES
from schema import safe_yaml
from stack.charts import MADE
from stack.charts.crds import archive_of, chart_of_manifest, crds_of_chart, templates_of

GATEWAY_API = "sigs.k8s.io/gateway-api"
# renovate: datasource=go depName=sigs.k8s.io/gateway-api
GATEWAY_API_VERSION = "1.2.1"
# What the public checksum database says of it.
GATEWAY_API_SUM = "h1:fZZ/+RyRb+Y5tGkwxFKuYuSRQHu9dZtbjenblleOLHM="
# renovate: datasource=go depName=sigs.k8s.io/gateway-api
GATEWAY_API_1_5_VERSION = "1.5.1"
GATEWAY_API_1_5_SUM = "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0="
ENVOY_GATEWAY = "github.com/envoyproxy/gateway"
# renovate: datasource=go depName=github.com/envoyproxy/gateway
ENVOY_GATEWAY_VERSION = "1.9.1"
ENVOY_GATEWAY_SUM = "h1:vAVp6/AlBXJ1aOhp1mxL7fNEzVEfjADUguUhm2wzxQY="
_ENVOY_GATEWAY_IMAGE = "docker.io/envoyproxy/gateway"
_MANIFESTS = ("gateway-api", "gateway-api-1-5")
_OPERATOR = "prometheus-operator"
_EXAMPLE = "example/prometheus-operator-crd/monitoring.coreos.com"
# Where a module has its CRDs: file of ours, module, patterns.
_CRDS = {
    "cert-manager": ("cert-manager", ["deploy/crds/*.yaml"]),
    "trust-manager": ("trust-manager", ["deploy/crds/*.yaml"]),
    "external-secrets": ("external-secrets", ["deploy/crds/bundle.yaml"]),
    "gateway-api": ("gateway-api", ["config/crd/experimental/gateway.*.yaml"]),
    "gateway-api-1-5": ("gateway-api-1-5", ["config/crd/experimental/gateway.*.yaml"]),
    "gateway-helm": ("gateway-helm", ["charts/gateway-helm/charts/crds/crds/generated/*.yaml"]),
    _OPERATOR: (
        _OPERATOR,
        [
            f"{_EXAMPLE}_{each}.yaml"
            for each in ("podmonitors", "prometheusrules", "servicemonitors")
        ],
    ),
    f"{_OPERATOR}-alertmanagerconfig": (_OPERATOR, [f"{_EXAMPLE}_alertmanagerconfigs.yaml"]),
}
# Not part of a released chart (helm package, .helmignore).
_LEFT_OUT = ("README", "tests/", "ci/", ".", "Chart.lock", "templates/crds/README")


class NoModuleError(Exception):
    """A module cannot be had; the text is one line that says why."""


@dataclass(frozen=True)
class _Module:
    """path, version and checksum as Go knows them; version of the chart as upstream writes it."""

    path: str
    version: str
    checksum: str
    chart_version: str


def _modules() -> dict[str, Callable[[], _Module]]:
    def of_tool(name: str, owner: str = "cert-manager") -> _Module:
        path = f"github.com/{owner}/{name}"
        version, checksum = upstream.pinned(MODULES / name, path)
        return _Module(path, version, checksum, version)

    def external_secrets() -> _Module:
        version = upstream.EXTERNAL_SECRETS_VERSION
        checksum = upstream.EXTERNAL_SECRETS_SUM
        return _Module(upstream.EXTERNAL_SECRETS, f"v{version}", checksum, version)

    return {
        "cert-manager": lambda: of_tool("cert-manager"),
        "trust-manager": lambda: of_tool("trust-manager"),
        "external-secrets": external_secrets,
        "gateway-api": lambda: _Module(
            GATEWAY_API, f"v{GATEWAY_API_VERSION}", GATEWAY_API_SUM, GATEWAY_API_VERSION
        ),
        "gateway-api-1-5": lambda: _Module(
            GATEWAY_API,
            f"v{GATEWAY_API_1_5_VERSION}",
            GATEWAY_API_1_5_SUM,
            GATEWAY_API_1_5_VERSION,
        ),
        "gateway-helm": lambda: _Module(
            ENVOY_GATEWAY,
            f"v{ENVOY_GATEWAY_VERSION}",
            ENVOY_GATEWAY_SUM,
            f"v{ENVOY_GATEWAY_VERSION}",
        ),
        _OPERATOR: lambda: of_tool(_OPERATOR, _OPERATOR),
    }


NAMES = tuple(name for name in _modules() if name != _OPERATOR)


def make(names: Iterable[str], project_dir: Path) -> dict[str, str]:
    """Make the charts called so, and those of their CRDs; return their versions.

    Raises NoModuleError.
    """
    folder = project_dir / MADE
    made = {}
    for name in names:
        module = _modules()[name]()
        made[name] = module.chart_version
        crds = folder / f"{name}-crds-{module.chart_version}.tgz"
        whole = folder / f"{name}-{module.chart_version}.tgz"
        if crds.is_file() and (whole.is_file() or name in _MANIFESTS):
            continue
        source = _downloaded(module)
        if name in _MANIFESTS:
            manifest = _manifest(name, source)
            _write(crds, chart_of_manifest(f"{name}-crds", module.chart_version, manifest))
            continue
        archive = archive_of(_files(source, name, module.chart_version))
        _write(whole, archive)
        _write(crds, crds_of_chart(archive))
    return made


def crds() -> dict[str, bytes]:
    """CRDs of these modules and of prometheus-operator's, as manifests; raises NoModuleError."""
    folders = {module: _downloaded(made()) for module, made in _modules().items()}
    return {name: _manifest(name, folders[module]) for name, (module, _) in _CRDS.items()}


def _manifest(name: str, source: Path) -> bytes:
    files = (file for pattern in _CRDS[name][1] for file in sorted(source.glob(pattern)))
    joined = b"\n---\n".join(file.read_bytes() for file in files)
    # In YAML 1.1, which most readers go by, a bare equals sign is no string.
    return re.sub(rb"(?m)^(\s*- )=$", rb'\1"="', joined)


def _downloaded(module: _Module) -> Path:
    if shutil.which("go") is None:
        raise NoModuleError("its Go module needs Go (go.dev/doc/install)")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            name = f"{module.path}@{module.version}"
            return upstream.download(name, Path(scratch), module.checksum)
    except (upstream.UpstreamChangedError, OSError, subprocess.SubprocessError) as error:
        raise NoModuleError(" ".join(str(error).split())) from None


def _files(source: Path, name: str, version: str) -> dict[str, bytes]:
    """The files of a chart as its release has them."""
    folder = source / "deploy" / "charts" / name
    if name == "gateway-helm":
        folder = source / "charts" / name
    files = {
        f"{name}/{path}": file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not (path := str(file.relative_to(folder))).startswith(_LEFT_OUT)
    }
    chart = safe_yaml.load(files[f"{name}/Chart.yaml"])
    if name == "gateway-helm":
        # Its own CRDs are a chart within it, which this entry switches.
        values = files.pop(f"{name}/values.tmpl.yaml")
        image = f"{_ENVOY_GATEWAY_IMAGE}:{version}"
        for key, text in (("GatewayImagePullPolicy", "IfNotPresent"), ("GatewayImage", image)):
            values = values.replace(f"${{{key}}}".encode(), text.encode())
        files[f"{name}/values.yaml"] = values
    else:
        # A chart within the chart, of a backend that nobody uses here, is no part of the module.
        chart.pop("dependencies", None)
    chart |= {"version": version, "appVersion": f"v{version.removeprefix('v')}"}
    files[f"{name}/Chart.yaml"] = yaml.safe_dump(chart, sort_keys=False).encode()
    if name == "external-secrets":
        for crd, text in templates_of(_manifest(name, source)).items():
            guarded = f"{{{{- if .Values.installCRDs }}}}\n{text}{{{{- end }}}}\n"
            files[f"{name}/templates/crds/{crd.partition('.')[0]}.yaml"] = guarded.encode()
    return files


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(target)
