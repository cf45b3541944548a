"""Charts that hold only CRDs, cut from upstream's archive or wrapped around a manifest.

Why: a CRD is most of the bytes of a chart, and the engine's time goes by bytes. As a Helm release
of its own a chart's CRDs cost next to nothing in a preview, while everything else of the chart
keeps its resource-level diff (docs/adr/0001).
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from typing import Any

import yaml

from schema import safe_yaml
from schema.archive import files as read_files

_CRD_TEMPLATE = re.compile(r"[\w-][\w.-]*/templates/(crd-[\w.-]+|crds/[\w-][\w.-]*)\.yaml")
# Helm's own folder of CRDs, of the chart or of one inside it; a template reads no values there.
_CRD_FILE = re.compile(r"[\w-][\w.-]*/(charts/[\w-]+/)?crds/([\w.-]+/)*[\w-][\w.-]*\.yaml")
# The Gateway API's come from its own manifest alone (components/gateway_api.py).
_GATEWAY_API = (".gateway.networking.k8s.io", ".gateway.networking.x-k8s.io")
_KEPT = re.compile(r"[\w-][\w.-]*/(Chart\.yaml|values\.yaml|templates/_[\w.-]+\.tpl)")
# As the API server takes it (`<plural>.<group>`); it becomes a part of a file's name.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def crds_of_chart(archive: bytes) -> bytes:
    """The same chart with no template but its CRDs; the same bytes for the same archive.

    Raises ValueError when it has none, or is no archive.
    """
    files = read_files(
        archive,
        lambda name: any(each.fullmatch(name) for each in (_CRD_TEMPLATE, _CRD_FILE, _KEPT)),
    )
    plain = {name: files.pop(name) for name in list(files) if _CRD_FILE.fullmatch(name)}
    if not any(map(_CRD_TEMPLATE.fullmatch, files)):
        # Helm upgrades nothing in its folder of CRDs, but every template.
        files |= _as_templates(plain)
    return archive_of({name: _alone(name, content) for name, content in files.items()})


def _as_templates(plain: dict[str, bytes]) -> dict[str, bytes]:
    """Templates of the CRDs in a chart's `crds` folders; raises ValueError where there is none."""
    made = {}
    for name, content in sorted(plain.items()):
        chart = name.partition("/")[0]
        # Helm keeps a release in one Secret, of 1 MiB at most, in which texts are the most part.
        for crd, text in templates_of(content, described=False).items():
            if not crd.endswith(_GATEWAY_API):
                made[f"{chart}/templates/{crd}.yaml"] = text.encode()
    if not made:
        raise ValueError("holds no CRD")
    return made


def _alone(name: str, content: bytes) -> bytes:
    """A file of a chart whose own charts are left out: helm refuses one that still lists them."""
    if not name.endswith("/Chart.yaml"):
        return content
    document = safe_yaml.load(content)
    if not isinstance(document, dict) or not document.pop("dependencies", None):
        return content
    return yaml.safe_dump(document, sort_keys=False).encode()


def chart_of_manifest(name: str, version: str, manifest: bytes) -> bytes:
    """A chart called `name` with the CRDs of a manifest, kept when the release is uninstalled.

    Raises ValueError when it has none, has one without a name, or is no YAML.
    """
    files = {
        f"{name}/Chart.yaml": yaml.safe_dump(
            {"apiVersion": "v2", "name": name, "version": version}
        ).encode()
    }
    for crd, text in templates_of(manifest).items():
        files[f"{name}/templates/{crd}.yaml"] = text.encode()
    return archive_of(files)


def templates_of(manifest: bytes, *, described: bool = True) -> dict[str, str]:
    """A template for each CRD of a manifest, by the CRD's name; `described`: with its texts.

    Raises ValueError when it has none, has one without a name, or is no YAML.
    """
    found = {}
    for document in safe_yaml.load_all(manifest):
        if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition":
            metadata = document.get("metadata")
            if not isinstance(metadata, dict) or not _NAME.fullmatch(str(metadata.get("name"))):
                raise ValueError("holds a CRD without a metadata.name")
            annotations = metadata.get("annotations") or {}
            if not isinstance(annotations, dict):
                raise ValueError(f"CRD {metadata['name']}: metadata.annotations is no mapping")
            metadata["annotations"] = {**annotations, "helm.sh/resource-policy": "keep"}
            if not described:
                document = _without_texts(document)
            text = yaml.dump(document, Dumper=_Dumper, sort_keys=False)
            # A description may hold braces, which Helm would take for a template.
            found[metadata["name"]] = text.replace("{{", '{{ "{{" }}')
    if not found:
        raise ValueError("holds no CRD")
    return found


def _without_texts(value: Any) -> Any:
    """A schema without what it says of its fields; a field of that name is no text."""
    if isinstance(value, list):
        return [_without_texts(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_texts(item)
        for key, item in value.items()
        if not (key == "description" and isinstance(item, str))
    }


_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def archive_of(files: dict[str, bytes]) -> bytes:
    """A chart's archive out of its files, by their paths: the same bytes on every machine."""
    packed = io.BytesIO()
    # No time stamps: the archive of one source is the same on every machine.
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(files[name]))
    return packed.getvalue()
