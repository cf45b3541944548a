"""Programs out of images: a registry on loopback serves what upstreams' registries serve."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from sandbox.registry import Image
from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import LAYER, Server, digest, program, tar

BASE = tar({"etc/os-release": b"base", "usr/bin/sh": b"sh"})
VAULT = program("vault", 400_000)


def image(server: Server, path: str = "bin/vault", **more: object) -> dict[str, object]:
    return {"image": f"{server.host}/acme/vault:{{version}}", "path": path, **more}


def pins(**digests: str) -> dict[str, object]:
    return {"digests": {"version": "1.2.3", "linux/amd64": digests}}


def blob(layer: bytes) -> str:
    return f"/v2/acme/vault/blobs/{digest(layer)}"


@pytest.mark.parametrize("index", [True, False], ids=["index", "one platform"])
def test_a_program_comes_out_of_the_last_layer_that_has_it(
    upstream: Server, sandbox: Sandbox, index: bool
) -> None:
    """An image may replace a file of its base; what runs in production is the last one."""
    top = tar({"bin/vault": VAULT, "docs": b"x"})
    pushed = upstream.push(
        "acme/vault", "1.2.3", [tar({"bin/vault": b"old"}), top, BASE], index=index
    )
    sandbox.table(vault=[image(upstream)])
    path = sandbox.download("vault")["vault"]
    assert path.read_bytes() == VAULT
    assert subprocess.run([path], capture_output=True, check=True).stdout == b"vault\n"
    note = json.loads((path.parent / f".{path.name}.json").read_text())
    expected = {"manifest": pushed, "layer": digest(top), "program": digest(VAULT)}
    assert note["digests"] == expected
    assert sandbox.left() == sorted([path.name, f".{path.name}.json"])


def test_what_is_pinned_is_asked_for_by_digest_and_nothing_else(
    upstream: Server, sandbox: Sandbox
) -> None:
    """A tag can be moved; and the base's layers are not worth their bytes."""
    layer = tar({"bin/vault": VAULT})
    pushed = upstream.push("acme/vault", "1.2.3", [layer, BASE])
    known = pins(manifest=pushed, layer=digest(layer), program=digest(VAULT))
    sandbox.table(vault=[image(upstream, **known)])
    assert sandbox.download("vault")
    assert upstream.paths() == [f"/v2/acme/vault/manifests/{pushed}", blob(layer)]
    assert not any("not pinned" in line for line in sandbox.said)


def test_what_is_not_pinned_is_said_in_one_line(upstream: Server, sandbox: Sandbox) -> None:
    """Nobody invents a digest; whoever runs it knows that nothing vouches for it."""
    upstream.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    stale = {"digests": {"version": "1.2.2", "linux/amd64": {"program": digest(b"old")}}}
    sandbox.table(vault=[image(upstream)], etcd=[image(upstream, **stale)])
    assert set(sandbox.download("vault", "etcd")) == {"vault", "etcd"}
    said = [line for line in sandbox.said if line.startswith("not pinned by digest: ")]
    assert said == [
        "not pinned by digest: etcd 1.2.3, vault 1.2.3 (`make toolchain-lock` pins what came)"
    ]


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        ([{"opt/real/vault": VAULT}, {"bin/vault": "../opt/real/vault"}], "bin/vault"),
        ([{"opt/vault": VAULT, "bin/vault": "/opt/vault"}], "/bin/vault"),
        ([{"./bin/vault": VAULT}], "bin/vault"),
        ([{"opt/old": b"x"}, {"bin/.wh..wh..opq": None, "bin/vault": VAULT}], "bin/vault"),
        ([{"bin/vault": VAULT, "bin/.wh..wh..opq": None}], "bin/vault"),
        ([{"bin/vault": VAULT}, {"bin/.wh.other": None}], "bin/vault"),
    ],
    ids=["link", "absolute link", "dot", "opaque below", "opaque order", "another removed"],
)
def test_a_path_is_read_as_a_container_would_see_it(
    upstream: Server, sandbox: Sandbox, layers: list[dict[str, bytes | str | None]], path: str
) -> None:
    """Upstreams link programs, and layers remove what was below them."""
    upstream.push("acme/vault", "1.2.3", [tar(layer) for layer in layers])
    sandbox.table(vault=[image(upstream, path)])
    assert sandbox.download("vault")["vault"].read_bytes() == VAULT


def moved(server: Server) -> dict[str, object]:
    """The tag is another image than the one that was pinned."""
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    return pins(manifest=digest(b"pinned"))


def changed_manifest(server: Server) -> dict[str, object]:
    pushed = server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    server.files[f"/v2/acme/vault/manifests/{pushed}"] += b" "
    return pins(manifest=pushed)


def changed_layer(server: Server) -> dict[str, object]:
    layer, other = tar({"bin/vault": VAULT}), tar({"bin/vault": program("evil", 400_000)})
    pushed = server.push("acme/vault", "1.2.3", [layer])
    server.files[blob(layer)] = other[: len(layer)].ljust(len(layer), b"\0")
    return pins(manifest=pushed)


def other_layer(server: Server) -> dict[str, object]:
    pushed = server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    return pins(manifest=pushed, layer=digest(b"pinned"))


def other_program(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})])
    return pins(program=digest(b"pinned"))


def longer_layer(server: Server) -> dict[str, object]:
    layer = tar({"bin/vault": VAULT})
    server.push("acme/vault", "1.2.3", [layer])
    server.files[blob(layer)] += b"more"
    return {}


def no_program(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [BASE, tar({"opt/vault": VAULT})])
    return {}


def removed(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT}), tar({"bin/.wh.vault": None})])
    return {}


def removed_folder(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT}), tar({".wh.bin": None})])
    return {}


def circle(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": "other", "bin/other": "vault"})])
    return {}


def other_platform(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [tar({"bin/vault": VAULT})], platforms=("linux/s390x",))
    return {}


def no_tag(server: Server) -> dict[str, object]:
    server.push("acme/vault", "9.9.9", [tar({"bin/vault": VAULT})])
    return {}


def no_tar(server: Server) -> dict[str, object]:
    server.push("acme/vault", "1.2.3", [b"no archive at all"])
    return {}


def no_manifest(server: Server) -> dict[str, object]:
    server.files["/v2/acme/vault/manifests/1.2.3"] = b"<html>welcome to the hotel</html>"
    return {}


def no_layers(server: Server) -> dict[str, object]:
    server.files["/v2/acme/vault/manifests/1.2.3"] = b"{}"
    return {}


def a_path_for_digest(server: Server) -> dict[str, object]:
    body = {"layers": [{"digest": "../../../token", "size": 3, "mediaType": LAYER}]}
    server.files["/v2/acme/vault/manifests/1.2.3"] = json.dumps(body).encode()
    return {}


def zstd(server: Server) -> dict[str, object]:
    body = {"layers": [{"digest": digest(b"x"), "size": 1, "mediaType": LAYER[:-4] + "zstd"}]}
    server.files["/v2/acme/vault/manifests/1.2.3"] = json.dumps(body).encode()
    return {}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (moved, "not there"),
        (changed_manifest, "wrong digest: its manifest is sha256:"),
        (changed_layer, "wrong digest: a layer is sha256:"),
        (other_layer, "wrong digest: the image has no layer sha256:"),
        (other_program, "wrong digest: bin/vault is sha256:"),
        (longer_layer, "longer than the "),
        (no_program, "the image has no file bin/vault"),
        (removed, "the image has no file bin/vault"),
        (removed_folder, "the image has no file bin/vault"),
        (circle, "the image has no file bin/vault"),
        (other_platform, "the image is not made for linux/amd64"),
        (no_tag, "not there"),
        (no_tar, "is no tar archive"),
        (no_manifest, "its manifest is no JSON object"),
        (no_layers, "its manifest lists no layers"),
        (a_path_for_digest, "which is no digest"),
        (zstd, "compressed with zstd"),
    ],
)
def test_what_is_not_the_program_is_one_line_and_leaves_nothing(
    upstream: Server,
    sandbox: Sandbox,
    make: Callable[[Server], dict[str, object]],
    words: str,
) -> None:
    """Half a program in the cache would be run; a traceback would tell nobody what to do."""
    sandbox.table(vault=[image(upstream, **make(upstream))])
    assert sandbox.download("vault") == {}
    assert len(sandbox.said) == 1
    assert sandbox.said[0].startswith(f"vault 1.2.3 from {upstream.host}/acme/vault:1.2.3: ")
    assert words in sandbox.said[0]
    assert sandbox.said[0].endswith("; not used")
    assert "\n" not in sandbox.said[0]
    assert sandbox.left() == []


@pytest.mark.parametrize(
    ("reference", "address"),
    [
        ("docker.io/hashicorp/vault:1.2", "https://registry-1.docker.io/v2/hashicorp/vault"),
        ("registry.k8s.io/kube-apiserver:v1", "https://registry.k8s.io/v2/kube-apiserver"),
        ("127.0.0.1:5000/a/b:1", "http://127.0.0.1:5000/v2/a/b"),
    ],
)
def test_an_image_is_asked_for_where_its_registry_answers(reference: str, address: str) -> None:
    """Docker Hub's images carry a name at which no registry answers."""
    assert Image.at(reference).api == address


@pytest.mark.parametrize("reference", ["vault", "vault:1", "host.io/vault", "host.io/a b:1", ""])
def test_a_reference_without_host_or_version_is_refused(reference: str) -> None:
    """Guessing Docker Hub or `latest` would run what nobody named."""
    with pytest.raises(ValueError, match="is no image reference"):
        Image.at(reference)
