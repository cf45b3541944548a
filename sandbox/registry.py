"""Take one program out of a container image, over plain HTTP: the OCI distribution protocol.

An image index leads to the manifest of a platform, that to layers (tar archives), and the last
layer that has the file is the one that counts. Nothing is kept but the file itself: each digest is
computed while the bytes pass. Specification: github.com/opencontainers/distribution-spec and
image-spec.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import archives
from sandbox.hosts import HostError, loopback
from sandbox.web import Web

_ACCEPTED = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.v2",
    )
)
_REFERENCE = re.compile(
    r"(?P<host>[a-z0-9.-]+(?::\d+)?)/(?P<repository>[a-z0-9._/-]+)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LINKS = 5
_BROKEN = (tarfile.TarError, zlib.error, EOFError)


@dataclass(frozen=True)
class Pin:
    """Digests (`sha256:...`) of an image's manifest for one platform, a layer, and the program."""

    manifest: str | None = None
    layer: str | None = None
    program: str | None = None


@dataclass(frozen=True)
class Image:
    """A place of an image: the address of its repository's API, and which version of it."""

    api: str
    reference: str
    version: str

    @classmethod
    def at(cls, reference: str, mirror: str | None = None) -> Image:
        """Return where `host/name:tag` is, or is to be had through `mirror`.

        Raises ValueError for a reference without host or version.
        """
        found = _REFERENCE.fullmatch(reference)
        version = found and (found["digest"] or found["tag"])
        if not found or not version:
            raise ValueError(f"{reference!r} is no image reference: write host/name:tag")
        host, repository = found["host"], found["repository"]
        if mirror:
            return cls(f"{mirror.rstrip('/')}/v2/{host}/{repository}", reference, version)
        scheme = "http" if loopback(host.partition(":")[0]) else "https"
        if host == "docker.io":
            host = "registry-1.docker.io"
        return cls(f"{scheme}://{host}/v2/{repository}", reference, version)


@dataclass(frozen=True)
class _Layer:
    digest: str
    size: int
    media_type: str


def take(
    web: Web,
    image: Image,
    path: str,
    platform: str,
    target: Path,
    pin: Pin = Pin(),
    sized: Callable[[int], None] = lambda _size: None,
    passed: Callable[[int], None] = lambda _count: None,
) -> Pin:
    """Write the file `path` of an image to `target`; return the digests of what it came from.

    platform: such as linux/amd64; pin: what must be found, where it is known. sized, passed: told
    how many bytes come and came. Raises SourceError; `target` is then not to be used.
    """
    manifest, layers = _manifest(web, image, platform, pin.manifest)
    if pin.layer:
        layers = [layer for layer in layers if layer.digest == pin.layer]
        if not layers:
            raise HostError(f"wrong digest: the image has no layer {pin.layer}")
    wanted = posixpath.normpath(path.lstrip("/"))
    for _ in range(_LINKS):
        for layer in reversed(layers):
            found = _from_layer(web, image, layer, wanted, target, sized, passed)
            if found.gone:
                break
            if found.program:
                if pin.program not in (None, found.program):
                    raise HostError(
                        f"wrong digest: {wanted} is {found.program}, pinned is {pin.program}"
                    )
                return Pin(manifest, layer.digest, found.program)
            if found.link:
                break
        else:
            found = _Found()
        if not found.link:
            break
        wanted = found.link
    raise HostError(f"the image has no file {path}")


def _manifest(
    web: Web, image: Image, platform: str, pinned: str | None
) -> tuple[str, list[_Layer]]:
    """Return the digest of the platform's manifest, and its layers."""
    digest, document = _document(web, image, pinned or image.version)
    if "manifests" in document:
        digest, document = _document(web, image, _of_platform(document["manifests"], platform))
    layers = document.get("layers")
    if not isinstance(layers, list) or not layers:
        raise HostError("its manifest lists no layers")
    try:
        made = [_Layer(each["digest"], each["size"], each.get("mediaType", "")) for each in layers]
    except (KeyError, TypeError, AttributeError):
        raise HostError("its manifest has a layer without digest or size") from None
    for layer in made:
        if not _DIGEST.fullmatch(str(layer.digest)) or not isinstance(layer.size, int):
            raise HostError(f"its manifest names a layer {layer.digest!r}, which is no digest")
    return digest, made


def _document(web: Web, image: Image, version: str) -> tuple[str, dict[str, Any]]:
    content = web.read(f"{image.api}/manifests/{version}", _ACCEPTED)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if version.startswith("sha256:") and digest != version:
        raise HostError(f"wrong digest: its manifest is {digest}, {version} was asked for")
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise HostError("its manifest is no JSON object")
    return digest, document


def _of_platform(manifests: Any, platform: str) -> str:
    system, _, architecture = platform.partition("/")
    for each in manifests if isinstance(manifests, list) else ():
        has = each.get("platform") or {} if isinstance(each, dict) else {}
        if (has.get("os"), has.get("architecture")) == (system, architecture):
            digest = str(each.get("digest"))
            if _DIGEST.fullmatch(digest):
                return digest
    raise HostError(f"the image is not made for {platform}")


@dataclass(frozen=True)
class _Found:
    """What a layer says of a path: the digest of the file, a link to follow, or its removal."""

    program: str | None = None
    link: str | None = None
    gone: bool = False


def _from_layer(
    web: Web,
    image: Image,
    layer: _Layer,
    wanted: str,
    target: Path,
    sized: Callable[[int], None],
    passed: Callable[[int], None],
) -> _Found:
    if layer.media_type.endswith("zstd"):
        raise HostError("a layer is compressed with zstd, which is not read here")
    sized(layer.size)
    stream = _Checked(web.stream(f"{image.api}/blobs/{layer.digest}", layer.size), passed)
    found, fault = _Found(), None
    try:
        # r|* reads forward only and finds out how it is compressed.
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=1 << 16) as tar:  # type: ignore[call-overload]
            for entry in tar:
                seen = _seen(tar, entry, wanted, target)
                # A layer removes what is in those below, never its own.
                if seen and not (seen.gone and (found.program or found.link)):
                    found = seen
    except _BROKEN as error:
        fault = str(error)
    digest = stream.drain()
    if digest != layer.digest:
        raise HostError(f"wrong digest: a layer is {digest}, {layer.digest} was asked for")
    if fault:
        raise HostError(f"the layer {layer.digest} is no tar archive: {fault}")
    return found


def _seen(tar: tarfile.TarFile, entry: tarfile.TarInfo, wanted: str, target: Path) -> _Found | None:
    name = posixpath.normpath(entry.name.lstrip("/"))
    folder, base = posixpath.split(name)
    if base == ".wh..wh..opq":
        return _Found(gone=True) if not folder or wanted.startswith(f"{folder}/") else None
    if base.startswith(".wh."):
        removed = posixpath.join(folder, base[4:])
        return _Found(gone=True) if f"{wanted}/".startswith(f"{removed}/") else None
    if name != wanted:
        return None
    if entry.isreg():
        content = tar.extractfile(entry)
        if content is None:
            return None
        return _Found(program=archives.write(content, target, wanted))
    if entry.issym():
        return _Found(link=posixpath.normpath(posixpath.join("/", folder, entry.linkname))[1:])
    if entry.islnk():
        return _Found(link=posixpath.normpath(entry.linkname.lstrip("/")))
    return None


class _Checked:
    """A stream as tarfile reads it, whose digest is computed as it passes."""

    def __init__(self, chunks: Iterator[bytes], passed: Callable[[int], None]) -> None:
        self._chunks = chunks
        self._passed = passed
        self._digest = hashlib.sha256()
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._digest.update(chunk)
            self._passed(len(chunk))
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def drain(self) -> str:
        """Read what is left, and return the digest of the whole."""
        while self.read(1 << 20):
            pass
        return f"sha256:{self._digest.hexdigest()}"
