"""What a preview was made of: everything that decides the result, in one closed document.

It lies in the file of the preview, is carried by the approval, and is compared with what is there
before the update. How it is read: bot/deploy/snapshot.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.text.lists import listed

SHORT = 12  # characters of a digest, for people
Kind = Literal["up", "rollback", "destroy"]
# Parts that only the machine of an update can tell: who approves may have no way to the cluster.
ELSEWHERE = frozenset({"engine", "environment", "servers", "options"})


class Snapshot(BaseModel):
    """Digests are `sha256:` and hexadecimal.

    kind: what was previewed. options: of the command, where they decide what is changed. commit:
    of the program; None outside of git. beside: files that are not the commit's, which a clean
    tree has none of. files: what the stack is read from. config: the stack file as the bot
    understood it. archives: charts, whether charts.yaml has a digest of them or not. images: of
    the containers that change, as they are written, with a digest where one is pinned. servers:
    addresses and authorities, as they are really reached. state: version of the stack's state.
    changes: which resources change, how, and from what to what. environment: of the engine; a
    digest where a variable decides the result and is not secret, else empty. providers: as pinned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    options: tuple[str, ...] = ()
    commit: str | None
    clean: bool
    beside: Mapping[str, str] = Field(default_factory=dict)
    files: Mapping[str, str]
    config: str
    archives: Mapping[str, str]
    images: tuple[str, ...] = ()
    servers: Mapping[str, str]
    state: str
    changes: str = ""
    environment: Mapping[str, str]
    engine: str
    providers: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest of all that is compared; the same for two previews that may stand for another."""
        content = self.model_dump(mode="json")
        content["environment"] = self._deciding
        return f"sha256:{hashlib.sha256(canonical(content)).hexdigest()}"

    @property
    def short(self) -> str:
        """The digest as people compare it."""
        return shortened(self.digest)

    @property
    def _deciding(self) -> dict[str, str]:
        return {name: digest for name, digest in self.environment.items() if digest}

    @property
    def tree(self) -> str:
        """`clean`, or what is beside the commit."""
        if self.clean:
            return "clean"
        return f"dirty ({listed(list(self.beside), _NAMED) or 'no git'})"


_NAMED = 4


def canonical(content: object) -> bytes:
    """The one JSON text of a value."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def differences(was: Snapshot, now: Snapshot, without: frozenset[str] = frozenset()) -> list[str]:
    """Each part that is not what it was, in words; `without` the fields of these names.

    `changes` and `images` are not compared here: which change differs says more than a digest.
    """
    found = list(_differences(was, now, without))
    return [text for text in found if text]


def _differences(was: Snapshot, now: Snapshot, without: frozenset[str]) -> Iterator[str]:
    if was.kind != now.kind:
        yield f"operation: was {was.kind}, is {now.kind}"
    if was.options != now.options and "options" not in without:
        before, after = (" ".join(each.options) or "none" for each in (was, now))
        yield f"options: was {before}, is {after}"
    yield _difference("commit", was.commit, now.commit)
    if (was.clean, was.beside) != (now.clean, now.beside):
        yield f"tree: was {was.tree}, is {now.tree}"
    yield from _of("file", was.files, now.files)
    if was.files == now.files:
        yield _difference("stack file as it was read", was.config, now.config)
    yield from _of("chart archive", was.archives, now.archives)
    if "servers" not in without:
        yield from _of("server", was.servers, now.servers)
    if "state" not in without:
        yield _difference("version of the state", was.state, now.state)
    if "environment" not in without:
        yield from _of("environment variable", was._deciding, now._deciding)
    if "engine" not in without:
        yield _difference("engine", was.engine, now.engine)
    yield from _of("provider", was.providers, now.providers)


def _of(what: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*was, *now}):
        yield _difference(f"{what} {name}", was.get(name), now.get(name))


def _difference(what: str, was: str | None, now: str | None) -> str:
    return "" if was == now else f"{what}: was {shortened(was)}, is {shortened(now)}"


def shortened(value: str | None) -> str:
    """A digest or commit as people compare them; other text as it is."""
    if not value:
        return "not there"
    bare = value.removeprefix("sha256:")
    hexadecimal = len(bare) >= _HASH and not bare.strip("0123456789abcdef")
    return bare[:SHORT] if hexadecimal or bare != value else value


_HASH = 40


def images_of(inputs: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Images of the containers in these objects, as they are written."""
    found: set[str] = set()
    for each in inputs:
        _collect(each, found, container=False)
    return tuple(sorted(found))


def _collect(value: object, found: set[str], *, container: bool) -> None:
    if isinstance(value, Mapping):
        image = value.get("image")
        if container and isinstance(image, str):
            found.add(image)
        for key, item in value.items():
            _collect(item, found, container=str(key).lower().endswith("containers"))
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found, container=container)
