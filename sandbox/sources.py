"""Where upstream has each program, and what it is known by: `sources.yaml`, read and written.

The versions are those of `sandbox/tools.py`. A digest is kept with the version it was computed for:
those of another version count as none.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bot.exit_codes import BadInputError
from schema import safe_yaml

FILE = Path(__file__).resolve().parent / "sources.yaml"
MIRROR = "SANDBOX_MIRROR"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KEYS = {
    "image": {"image", "path", "platforms", "unusable", "digests"},
    "url": {"url", "member", "platforms", "unusable", "digests"},
}
_KINDS = {"image": {"manifest", "layer", "program"}, "url": {"archive", "program"}}
PLATFORMS = tuple(f"{each}/{arch}" for each in ("linux", "darwin") for arch in ("amd64", "arm64"))
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class SourcesFileError(ValueError):
    """sources.yaml is not what it should be; the text names the entry and the fix."""


@dataclass(frozen=True)
class Source:
    """One place of one program for one platform.

    kind: image or url; place: the reference or address with its version; member: the file inside
    (empty: the download is the program itself); digests: by kind, empty where nobody computed them.
    """

    kind: str
    place: str
    member: str
    platform: str
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def pinned(self) -> bool:
        """Tell whether a digest says which program this is."""
        return bool(self.digests)

    @property
    def host(self) -> str:
        """Return the host that has it, for people."""
        if self.kind == "image":
            return self.place.partition("/")[0]
        return urlsplit(self.place).netloc


def here() -> str:
    """Return this machine's platform in the words of images: linux/amd64, darwin/arm64."""
    machine = platform.machine().lower()
    return f"{sys.platform}/{_MACHINES.get(machine, machine)}"


def mirror(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the mirror in front of everything; raises BadInputError for one that is no address."""
    text = environ.get(MIRROR, "").strip()
    if not text or text == "off":
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise BadInputError(
            f"{MIRROR} is {text!r}: write https://host[/path] of a pull-through proxy, "
            "or off to build everything"
        )
    if "@" in parts.netloc:
        raise BadInputError(f"{MIRROR} holds a login: put it into ~/.netrc instead")
    return text.rstrip("/")


def switched_off(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether nothing is to be downloaded from upstream."""
    return environ.get(MIRROR, "").strip() == "off"


class Sources:
    """The whole table. Raises SourcesFileError for an entry that cannot be meant."""

    def __init__(self, file: Path = FILE) -> None:
        self.file = file
        text = file.read_text(encoding="utf-8")
        self._header = "".join(re.findall(r"\A(?:#.*\n)+", text))
        try:
            self._entries: dict[str, list[dict[str, Any]]] = safe_yaml.load(text) or {}
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise SourcesFileError(f"sources.yaml cannot be read: {reason}") from None
        for name, entries in self._entries.items():
            for entry in entries:
                _check(name, entry)

    @property
    def names(self) -> list[str]:
        """Return the programs that the table has."""
        return list(self._entries)

    def of(self, name: str, version: str, machine: str | None = None) -> list[Source]:
        """Return the places of a program for a platform (this machine's), the preferred first."""
        machine = machine or here()
        return [self._made(entry, version, machine) for entry in self._usable(name, machine)]

    def platforms(self, name: str) -> list[str]:
        """Return the platforms for which upstream has a program."""
        return sorted({each for e in self._entries.get(name, ()) for each in e["platforms"]})

    def unusable(self, name: str) -> list[str]:
        """Return why upstream's program cannot serve, for each place where it cannot."""
        return [e["unusable"] for e in self._entries.get(name, ()) if "unusable" in e]

    def pin(
        self, name: str, version: str, place: str, machine: str, found: Mapping[str, str]
    ) -> bool:
        """Note digests; False when the table has no such place. `save` writes them."""
        for entry in self._usable(name, machine):
            if self._made(entry, version, machine).place == place:
                known = entry.get("digests", {})
                if known.get("version") != version:
                    known = {}
                rest = {key: value for key, value in known.items() if key != "version"}
                rest[machine] = dict(found)
                entry["digests"] = {"version": version, **dict(sorted(rest.items()))}
                return True
        return False

    def text(self) -> str:
        """Return the file as it is to be written."""
        body = yaml.safe_dump(self._entries, sort_keys=False, width=100, allow_unicode=True)
        return self._header + body

    def save(self) -> None:
        """Write the file, whole or not at all."""
        partial = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            partial.write_text(self.text(), encoding="utf-8")
            partial.replace(self.file)
        finally:
            partial.unlink(missing_ok=True)

    def _usable(self, name: str, machine: str) -> Iterator[dict[str, Any]]:
        for entry in self._entries.get(name, ()):
            if machine in entry["platforms"] and "unusable" not in entry:
                yield entry

    def _made(self, entry: Mapping[str, Any], version: str, machine: str) -> Source:
        kind = "image" if "image" in entry else "url"
        system, _, architecture = machine.partition("/")
        words = {
            "version": version,
            "os": system,
            "arch": architecture,
            "x64": {"amd64": "x64"}.get(architecture, architecture),
        }
        known = entry.get("digests", {})
        digests = known.get(machine, {}) if known.get("version") == version else {}
        member = entry["path"] if kind == "image" else entry.get("member", "")
        return Source(kind, entry[kind].format(**words), member.format(**words), machine, digests)


def _check(name: str, entry: Any) -> None:
    kinds = [kind for kind in _KEYS if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1:
        raise SourcesFileError(f"sources.yaml: {name}: write either image and path, or url")
    kind = kinds[0]
    unknown = sorted(set(entry) - _KEYS[kind])
    if unknown:
        raise SourcesFileError(
            f"sources.yaml: {name}: {unknown[0]} is no key; there are {', '.join(_KEYS[kind])}"
        )
    path = ("path",) if kind == "image" and "unusable" not in entry else ()
    for needed in ("platforms", *path):
        if not entry.get(needed):
            raise SourcesFileError(f"sources.yaml: {name}: {entry[kind]}: {needed} is missing")
    unknown = sorted(set(entry["platforms"]) - set(PLATFORMS))
    if unknown:
        raise SourcesFileError(
            f"sources.yaml: {name}: {unknown[0]} is no platform; there are {', '.join(PLATFORMS)}"
        )
    words = dict.fromkeys(("version", "os", "arch", "x64"), "x")
    try:
        [str(entry.get(key, "")).format(**words) for key in (kind, "path", "member")]
    except (KeyError, IndexError, ValueError) as error:
        raise SourcesFileError(
            f"sources.yaml: {name}: {entry[kind]}: {error} is no word to fill in; "
            f"there are {', '.join(words)}"
        ) from None
    for machine, digests in entry.get("digests", {}).items():
        if machine == "version":
            continue
        for key, digest in digests.items():
            if key not in _KINDS[kind] or not _DIGEST.fullmatch(str(digest)):
                raise SourcesFileError(
                    f"sources.yaml: {name}: digests: {machine}: {key}: {digest!r} is no digest: "
                    "remove it, and run `make toolchain-lock` after a download"
                )
