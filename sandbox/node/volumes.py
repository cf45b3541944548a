"""The volumes of a process pod: what is in them, and how a kubelet writes it."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sandbox.node import spec
from sandbox.node.spec import HostPlace, Manifest, UnsupportedError

Files = dict[str, bytes]
_TOKEN_SECONDS = 3600
# A kubelet asks for a new token when a fifth of its life is left.
_TOKEN_USED = 0.8


class ClusterReader(Protocol):
    """What volumes are made of: objects of the pod's namespace, and tokens."""

    def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of one of `configmaps` or `secrets`; None where there is none."""

    def token(self, pod: Manifest, audience: str, seconds: int) -> str:
        """A token of the pod's account, bound to the pod."""


class NotThereError(Exception):
    """An object that a volume is made of does not exist yet."""


@dataclass
class Volumes:
    """The volumes of one pod, below a folder. clock: seconds that only go up."""

    pod: Manifest
    place: HostPlace
    cluster: ClusterReader
    folder: Path
    clock: Callable[[], float] = time.monotonic
    _written: dict[str, Files] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)

    def refresh(self) -> None:
        """Bring every volume up to date; raises NotThereError and UnsupportedError."""
        for volume in self.pod["spec"].get("volumes", []):
            name, target = volume["name"], self.folder / volume["name"]
            if "emptyDir" in volume:
                target.mkdir(parents=True, exist_ok=True)
                target.chmod(0o777)
                continue
            files = self._files(volume)
            if self._written.get(name) != files:
                deliver(target, files)
                self._written[name] = files

    def _files(self, volume: Manifest) -> Files:
        (kind, source), *more = ((key, value) for key, value in volume.items() if key != "name")
        if kind != "projected" and not more:
            return self._source(kind, source)
        found: Files = {}
        for each in source["sources"]:
            for part, value in each.items():
                found.update(self._source(part, value))
        return found

    def _source(self, kind: str, source: Mapping[str, Any]) -> Files:
        if kind == "serviceAccountToken":
            return {source["path"]: self._token(source).encode()}
        if kind == "downwardAPI":
            return {
                each["path"]: spec.field(
                    self.pod, each["fieldRef"]["fieldPath"], self.place
                ).encode()
                for each in source.get("items", [])
            }
        if kind not in ("configMap", "secret"):
            raise UnsupportedError(f"volume of kind {kind}")
        name = source.get("secretName") or source["name"]
        data = self.cluster.data(f"{kind.lower()}s", self.pod["metadata"]["namespace"], name)
        if data is None:
            if source.get("optional"):
                return {}
            raise NotThereError(f"{kind} {name}")
        read = base64.b64decode if kind == "secret" else str.encode
        whole = {key: read(value) for key, value in data.items()}
        if "items" not in source:
            return whole
        return {
            each["path"]: whole[each["key"]] for each in source["items"] if each["key"] in whole
        }

    def _token(self, source: Mapping[str, Any]) -> str:
        audience, seconds = source.get("audience", ""), source.get("expirationSeconds")
        life = int(seconds or _TOKEN_SECONDS)
        known = self._tokens.get(source["path"])
        if known is None or self.clock() > known[1]:
            made = self.cluster.token(self.pod, audience, life)
            known = (made, self.clock() + life * _TOKEN_USED)
            self._tokens[source["path"]] = known
        return known[0]


def deliver(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files as a kubelet does: all new at once, by a rename of `..data`.

    Follows k8s.io/kubernetes/pkg/volume/util/atomic_writer.go: what watches the folder sees it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # Whoever the container runs as; nobody else comes this far.
    fresh = folder / f"..{time.monotonic_ns()}"
    for name, content in files.items():
        file = fresh / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o644)
        file.parent.chmod(0o755)
        top = Path(name).parts[0]
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(Path("..data") / top)
    fresh.mkdir(exist_ok=True)
    fresh.chmod(0o755)
    (folder / "..data_tmp").symlink_to(fresh.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for old in folder.glob("..[0-9]*"):
        if old != fresh:
            shutil.rmtree(old)
    for link in folder.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and not link.exists():
            link.unlink()
