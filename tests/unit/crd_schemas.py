"""Checks custom resources against the upstream CRDs, and refuses what the API server would prune.

The CRDs come from `CRDS_DIR`, else from `../shared/crds` beside the project, else from the chart
archives in the cache. CEL rules (`x-kubernetes-validations`) are not evaluated: the sandbox's real
API server does that.
"""

from __future__ import annotations

import functools
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stack.charts import Charts
from tests.unit.stack_files import REPO

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Schema = dict[str, Any]
# Groups whose CRDs a machine may lack while it has others, and who publishes them.
SEPARATE = {
    "monitoring.coreos.com": "prometheus-operator",
    "argoproj.io": "Argo Rollouts",
    "flagger.app": "Flagger",
    "policy.linkerd.io": "the chart linkerd-crds",
    "linkerd.io": "the chart linkerd-crds",
    "gateway.envoyproxy.io": "the chart gateway-helm",
    "generators.external-secrets.io": "the chart external-secrets",
}
# Groups whose kinds the API server knows by itself.
BUILT_IN = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "batch",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
    }
)


def is_custom(manifest: Mapping[str, Any]) -> bool:
    """True for a kind that a CRD defines."""
    return str(manifest["apiVersion"]).rpartition("/")[0] not in BUILT_IN


def faults(manifest: Mapping[str, Any]) -> list[str]:
    """What the CRD says against a custom resource; skips the test where there are no CRDs."""
    known = _schemas()
    if not known:
        pytest.skip("no CRDs: set CRDS_DIR to a folder of them, or run `make charts`")
    key = (manifest["apiVersion"], manifest["kind"])
    group = key[0].partition("/")[0]
    if group in SEPARATE and not any(each.startswith(f"{group}/") for each, _ in known):
        pytest.skip(f"no CRD of {group}: put those of {SEPARATE[group]} into CRDS_DIR")
    if key not in known:
        return [f"no CRD defines {key[1]} of {key[0]}"]
    validator = jsonschema.Draft7Validator(known[key])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(manifest)]


@functools.cache
def _schemas() -> dict[tuple[str, str], Schema]:
    made: dict[tuple[str, str], Schema] = {}
    for crd in _crds():
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            # The object's own metadata is the API server's business.
            schema["properties"] |= {
                "metadata": {"type": "object"},
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
            }
            made[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return made


def closed(schema: Mapping[str, Any]) -> Schema:
    """A structural schema as JSON schema, closed wherever the API server would prune."""
    made = {k: v for k, v in schema.items() if not k.startswith("x-") and k != "default"}
    if "properties" in schema:
        made["properties"] = {key: closed(part) for key, part in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), Mapping):
        made["additionalProperties"] = closed(schema["additionalProperties"])
    elif schema.get("type") == "object" and "additionalProperties" not in schema:
        made["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if "items" in schema:
        made["items"] = closed(schema["items"])
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
    if made.pop("nullable", False):
        made["type"] = [made.get("type", "object"), "null"]
    return made


def _crds() -> Iterator[Mapping[str, Any]]:
    folder = Path(os.environ.get("CRDS_DIR") or REPO.parent / "shared" / "crds")
    if folder.is_dir():
        for file in sorted(folder.glob("*.yaml")):
            yield from _in_text(file.read_text(encoding="utf-8"))
        return
    charts = Charts(REPO)
    for name in charts.entries:
        source = charts.source(name)
        if source.suffix == ".yaml" and source.is_file():
            yield from _in_text(source.read_text(encoding="utf-8"))
        elif source.is_file():
            yield from crds_in_archive(source)


def crds_in_archive(file: Path) -> Iterator[Mapping[str, Any]]:
    """The CRDs of a chart, without what Helm fills in."""
    with tarfile.open(file, mode="r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member) if "crd" in member.name else None
            if content is None or not member.name.endswith(".yaml"):
                continue
            # What a CRD is templated with is labels and annotations, which no schema is in.
            lines = content.read().decode().splitlines()
            try:
                yield from _in_text("\n".join(line for line in lines if "{{" not in line))
            except yaml.YAMLError:
                continue


def _in_text(text: str) -> Iterator[Mapping[str, Any]]:
    for document in yaml.load_all(text, Loader=_Loader):
        if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition":
            yield document
