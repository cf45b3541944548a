"""Files from outside: regular ones of a bounded size, and nothing else is even opened."""

from __future__ import annotations

import gzip
import io
import os
import socket
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schema import archive
from schema.archive import ArchiveError
from schema.input_file import read_bytes, read_text
from stack.charts.crds import chart_of_manifest, crds_of_chart


@pytest.fixture
def bound_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        yield tmp_path / "socket"


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path: Path, bound_socket: Path) -> None:
    """A pipe waits for its writer for ever, and /dev/zero filled 21 GB."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for file, why in (
        (tmp_path / "pipe", "is a named pipe, not a file"),
        (Path("/dev/zero"), "is a device, not a file"),
        (tmp_path / "link", "is a device, not a file"),
        (bound_socket, "is a socket, not a file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file or directory"),
        (tmp_path / "a\0b", "is not a file name"),
    ):
        with ThreadPoolExecutor(1) as pool, pytest.raises(OSError, match=why):
            pool.submit(read_bytes, file).result(10)


def test_a_file_has_a_limit_that_the_error_names(tmp_path: Path) -> None:
    """Files of /proc have no size, so what counts is what is read."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 2048)
    assert len(read_bytes(file, 2048)) == 2048
    with pytest.raises(OSError, match="holds over 1 KiB, which is the limit"):
        read_bytes(file, 1024)
    with pytest.raises(OSError, match="over 1 KiB"):
        read_bytes(Path("/proc/kallsyms" if os.geteuid() else "/proc/self/maps"), 1024)


def test_text_has_one_kind_of_line_end(tmp_path: Path) -> None:
    """As Python's own reading of text has it."""
    (tmp_path / "file").write_bytes("a: ä\r\nb\rc\n".encode())
    assert read_text(tmp_path / "file") == "a: ä\nb\nc\n"


def packed(*members: tuple[tarfile.TarInfo, bytes], zipped: bool = True) -> bytes:
    """An archive of members as they are given."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz" if zipped else "w") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_a_link_in_an_archive_is_no_file() -> None:
    """tarfile follows it: to itself without end, or to what is not there with a KeyError."""
    made = packed(
        (member("a/one", tarfile.SYMTYPE, "one"), b""),
        (member("a/two", tarfile.LNKTYPE, "a/none"), b""),
        (member("a/three", tarfile.CHRTYPE), b""),
        (member("a/four"), b"4"),
    )
    assert archive.files(made, lambda _: True) == {"a/four": b"4"}


def _backwards() -> bytes:
    head = bytearray(packed((member("a/b"), b""), zipped=False)[:512])
    head[124:136] = b"\xff" * 11 + b"\x00"  # base 256, below zero
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return gzip.compress(bytes(head) + b"\0" * 1024)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"no archive",
        lambda: gzip.compress(b"no archive either"),
        lambda: packed((member("a/b"), b"x" * 2000))[:-30],
        lambda: gzip.compress(b"\0" * (archive.MOST_UNPACKED + 1)),
        _backwards,
    ],
    ids=["empty", "text", "no-tar", "cut", "bomb", "backwards"],
)
def test_what_is_no_archive_is_one_line(make: Callable[[], bytes]) -> None:
    """zlib, gzip, tarfile and struct each have errors of their own."""
    content = make()
    try:
        assert archive.files(content, lambda _: True) == {}
        assert content == b""
    except ArchiveError as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("kind: CustomResourceDefinition", "a CRD without a metadata.name"),
        ("kind: CustomResourceDefinition\nmetadata: [a]", "a CRD without a metadata.name"),
        ("kind: CustomResourceDefinition\nmetadata: {name: ../../x}", "without a metadata.name"),
        ("kind: CustomResourceDefinition\nmetadata: {name: a, annotations: b}", "is no mapping"),
        ("[" * 300_000, "nested too deep"),
        ("- a", "holds no CRD"),
        ("a: [", "expected"),
    ],
)
def test_a_manifest_of_any_shape_is_one_line(manifest: str, why: str) -> None:
    """A CRD without metadata was a KeyError, and one with a path a file outside of its chart."""
    with pytest.raises(ValueError, match=why):
        chart_of_manifest("a", "1.0.0", manifest.encode())


def test_a_template_outside_of_its_chart_is_no_part_of_it() -> None:
    """It would be written into an archive of ours as it is called."""
    made = packed((member("../templates/crds/a.yaml"), b"a"), (member("a/../crds/a.yaml"), b"a"))
    with pytest.raises(ValueError, match="holds no CRD"):
        crds_of_chart(made)
