"""Prepare the modules that do not build as they lie in `toolchain/`.

External Secrets imports a registry of forty providers, each with the SDK of its cloud: the released
module is copied beside ours, and the two registry files are replaced by those in `_patch`.
Pulumi's Kubernetes provider embeds its schema, which its module has beside its command only; it is
built from a copy with the edits of `edits.json`, which later releases have.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

EXTERNAL_SECRETS = "github.com/external-secrets/external-secrets"
# renovate: datasource=go depName=github.com/external-secrets/external-secrets
EXTERNAL_SECRETS_VERSION = "0.20.4"
# What the public checksum database says of that release; a copy is not checked by Go itself.
EXTERNAL_SECRETS_SUM = "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="
KUBERNETES_PROVIDER = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_COPIED = ("go.mod", "go.sum", "apis", "pkg")


class UpstreamChangedError(Exception):
    """The downloaded release is not the one that was pinned."""


def prepared(module: Path, scratch: Path, version: str) -> Path:
    """Return the folder in which the tool of `module` builds: that itself, or one under `scratch`.

    version: what the tool is to call itself. Raises UpstreamChangedError when a downloaded release
    differs from the pinned one.
    """
    if module.name == "external-secrets":
        return prepare_external_secrets(module, scratch)
    if module.name == "pulumi-resource-kubernetes":
        return prepare_kubernetes_provider(module, scratch, version)
    return module


def prepare_kubernetes_provider(module: Path, scratch: Path, version: str) -> Path:
    """Return a copy of our module with the provider's schema and mapping in it, to be embedded.

    It builds an edited copy of the release. Raises UpstreamChangedError when the release differs
    from the one that go.sum pins.
    """
    pin, checksum = pinned(module, KUBERNETES_PROVIDER)
    release = download(f"{KUBERNETES_PROVIDER}@{pin}", scratch, checksum)
    work = scratch / "module"
    work.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copyfile(module / name, work / name)
    command = release / "cmd" / "pulumi-resource-kubernetes"
    for name in ("schema.json", "terraform-mapping.json"):
        try:
            content = json.loads((command / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UpstreamChangedError(f"{KUBERNETES_PROVIDER}@{pin}: {name}: {error}") from None
        if name == "schema.json":
            # Its own build writes it in; the engine compares it with the program's.
            content["version"] = version
        (work / name).write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    copy = work / "upstream"
    copy_release(release, copy, ("go.mod", "go.sum", "pkg"))
    edit(copy, module / "edits.json")
    with (work / "go.mod").open("a", encoding="utf-8") as file:
        file.write(f"\nreplace {KUBERNETES_PROVIDER} => ./upstream\n")
    return work


def edit(copy: Path, edits: Path) -> None:
    """Replace texts in a copy of a release: by file, what is there and what is to be there.

    Raises UpstreamChangedError where a text is not there exactly once.
    """
    for name, pairs in json.loads(edits.read_text(encoding="utf-8")).items():
        path = copy / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs.items():
            if text.count(old) != 1:
                raise UpstreamChangedError(f"{edits}: {name} does not have {old!r} once")
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def pinned(module: Path, wanted: str) -> tuple[str, str]:
    """Return version and checksum of `wanted` as the go.sum of `module` has them."""
    for line in (module / "go.sum").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        version, _, checksum = rest.partition(" ")
        if name == wanted and not version.endswith("/go.mod"):
            return version, checksum
    raise UpstreamChangedError(f"{module / 'go.sum'} does not pin {wanted}")


def prepare_external_secrets(module: Path, scratch: Path) -> Path:
    """Return a module folder under `scratch` that builds the patched External Secrets.

    Raises UpstreamChangedError when the release differs from the pinned one.
    """
    name = f"{EXTERNAL_SECRETS}@v{EXTERNAL_SECRETS_VERSION}"
    release = download(name, scratch, EXTERNAL_SECRETS_SUM)
    work = scratch / "module"
    copy = work / "upstream"
    work.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copyfile(module / name, work / name)
    copy_release(release, copy, _COPIED)
    patch = module / "_patch"
    for path in patch.rglob("*.go"):
        shutil.copyfile(path, copy / path.relative_to(patch))
    return work


def copy_release(release: Path, copy: Path, names: Iterable[str]) -> None:
    """Copy files and folders of a module out of the module cache, to be written to."""
    copy.mkdir()
    for name in names:
        source, target = release / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            # copyfile leaves the read-only mode of the module cache behind.
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)


def download(module: str, scratch: Path, checksum: str) -> Path:
    """Return the folder of a Go module; raises UpstreamChangedError for another than is pinned."""
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
    if answer["Sum"] != checksum:
        raise UpstreamChangedError(f"{module} has the checksum {answer['Sum']}, pinned is another")
    return Path(answer["Dir"])
