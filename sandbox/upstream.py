"""Prepare External Secrets so that it links without the SDK of any cloud.

Its controllers import a registry of forty providers. The released module is copied beside ours and
the two registry files are replaced by those in `toolchain/external-secrets/_patch`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"
EXTERNAL_SECRETS_VERSION = "0.20.4"
# What the public checksum database says of that release; a copy is not checked by Go itself.
EXTERNAL_SECRETS_SUM = "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="
_COPIED = ("go.mod", "go.sum", "apis", "pkg")


class UpstreamChangedError(Exception):
    """The downloaded release is not the one that was pinned."""


def prepare_external_secrets(module: Path, scratch: Path) -> Path:
    """Return a module folder under `scratch` that builds the patched External Secrets.

    Raises UpstreamChangedError when the release differs from the pinned one.
    """
    release = _download(f"{EXTERNAL_SECRETS}@v{EXTERNAL_SECRETS_VERSION}", scratch)
    work = scratch / "module"
    copy = work / "upstream"
    copy.mkdir(parents=True)
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copyfile(module / name, work / name)
    for name in _COPIED:
        source, target = release / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            # copyfile leaves the read-only mode of the module cache behind.
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    patch = module / "_patch"
    for path in patch.rglob("*.go"):
        shutil.copyfile(path, copy / path.relative_to(patch))
    return work


def _download(module: str, scratch: Path) -> Path:
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    answer = json.loads(done.stdout or "{}")
    if done.returncode != 0:
        raise UpstreamChangedError(f"{module}: {answer.get('Error') or done.stderr.strip()}")
    if answer["Sum"] != EXTERNAL_SECRETS_SUM:
        raise UpstreamChangedError(f"{module} has the checksum {answer['Sum']}, pinned is another")
    return Path(answer["Dir"])
