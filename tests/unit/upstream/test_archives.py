"""Programs out of release archives, from a file server on loopback."""

from __future__ import annotations

import json
import os

import pytest

from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import Server, digest, program, tar, zipped

HELM = program("helm", 300_000)


def file(server: Server, member: str, name: str) -> dict[str, object]:
    return {"url": f"{server.address}/dl/{{version}}/{name}", "member": member}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.tar.gz", tar({"linux-amd64/helm": HELM})),
        ("x.tgz", tar({"./linux-amd64/helm": HELM})),
        ("x.zip", zipped({"linux-amd64/helm": HELM})),
    ],
)
def test_a_program_comes_out_of_a_release_archive(
    upstream: Server, sandbox: Sandbox, name: str, content: bytes
) -> None:
    """Both kinds that upstreams publish; the digests of archive and program are noted."""
    upstream.files[f"/dl/1.2.3/{name}"] = content
    place = file(upstream, "{os}-{arch}/helm", name)
    known = {"archive": digest(content), "program": digest(HELM)}
    sandbox.table(helm=[{**place, "digests": {"version": "1.2.3", "linux/amd64": known}}])
    path = sandbox.download("helm")["helm"]
    assert path.read_bytes() == HELM
    assert os.access(path, os.X_OK)
    assert json.loads((path.parent / f".{path.name}.json").read_text())["digests"] == known


@pytest.mark.parametrize(
    ("content", "pinned", "words"),
    [
        (tar({"other": HELM}), {}, "the archive has no file linux-amd64/helm"),
        (zipped({"other": HELM}), {}, "the archive has no file linux-amd64/helm"),
        (tar({"linux-amd64/helm": "/etc/passwd"}), {}, "the archive has no file"),
        (b"<html>welcome</html>", {}, "it is no archive that can be read"),
        (tar({"linux-amd64/helm": HELM})[:9000], {}, "it is no archive that can be read"),
        (tar({"linux-amd64/helm": HELM}), {"archive": digest(b"x")}, "wrong digest: the archive"),
        (tar({"linux-amd64/helm": HELM}), {"program": digest(b"x")}, "wrong digest: the program"),
    ],
    ids=["no member", "no member of a zip", "link", "page", "half", "archive", "program"],
)
def test_an_archive_that_is_not_the_one_is_one_line_and_leaves_nothing(
    upstream: Server, sandbox: Sandbox, content: bytes, pinned: dict[str, str], words: str
) -> None:
    """As with images: nothing of it is run."""
    upstream.files["/dl/1.2.3/x"] = content
    digests = {"digests": {"version": "1.2.3", "linux/amd64": pinned}} if pinned else {}
    sandbox.table(helm=[{**file(upstream, "{os}-{arch}/helm", "x"), **digests}])
    assert sandbox.download("helm") == {}
    assert len(sandbox.said) == 1
    assert words in sandbox.said[0]
    assert sandbox.left() == []


def test_an_archive_with_several_programs_is_downloaded_once(
    upstream: Server, sandbox: Sandbox
) -> None:
    """The engine's has the language host too, and a hundred megabytes."""
    upstream.files["/dl/1.2.3/all.tgz"] = tar({"p/pulumi": HELM, "p/host": HELM + b"x"})
    sandbox.table(
        pulumi=[file(upstream, "p/pulumi", "all.tgz")], host=[file(upstream, "p/host", "all.tgz")]
    )
    assert set(sandbox.download("pulumi", "host")) == {"pulumi", "host"}
    assert upstream.paths() == ["/dl/1.2.3/all.tgz"]
