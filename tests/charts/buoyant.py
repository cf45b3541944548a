"""The agent's chart is not public, so a small one of ours with the same inputs stands for it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "linkerd-buoyant"


def package(folder: Path, version: str) -> Path:
    """Pack the chart as `linkerd-buoyant-<version>.tgz` into a folder, and return that file."""
    target = folder / f"linkerd-buoyant-{version}.tgz"
    with tarfile.open(target, mode="w:gz") as tar:
        for file in sorted(p for p in SOURCE.rglob("*") if p.is_file()):
            content = file.read_bytes()
            if file.name == "Chart.yaml":
                content = content.replace(b"version: 0.0.0", f"version: {version}".encode())
            info = tarfile.TarInfo(f"linkerd-buoyant/{file.relative_to(SOURCE)}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target
