"""Transfers that are cut, hosts that are slow or gone, mirrors, release files, two at once."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Callable

import pytest

from bot.exit_codes import BadInputError
from sandbox import hosts
from sandbox.sources import mirror
from tests.unit.upstream.conftest import Sandbox
from tests.unit.upstream.server import Server, digest, program, tar

HELM = program("helm", 300_000)
LAYER = tar({"bin/helm": HELM})
BLOB = f"/v2/acme/helm/blobs/{digest(LAYER)}"
FILE = "/dl/1.2.3/helm-linux-amd64"


def image(server: Server | str) -> dict[str, object]:
    host = server if isinstance(server, str) else server.host
    return {"image": f"{host}/acme/helm:{{version}}", "path": "bin/helm"}


def file(server: Server | str, member: str = "", name: str = "") -> dict[str, object]:
    address = server if isinstance(server, str) else server.address
    place = {"url": f"{address}/dl/{{version}}/{name or 'helm-{os}-{arch}'}"}
    return {**place, "member": member} if member else place


@pytest.fixture
def pushed(upstream: Server) -> Server:
    upstream.push("acme/helm", "1.2.3", [LAYER])
    upstream.files[FILE] = HELM
    return upstream


@pytest.mark.parametrize(("place", "path"), [(image, BLOB), (file, FILE)], ids=["image", "file"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_cut_download_goes_on_where_it_was_cut(
    pushed: Server,
    sandbox: Sandbox,
    place: Callable[[Server], dict[str, object]],
    path: str,
    ranges: bool,
) -> None:
    """A hundred megabytes over a hotel's network come in pieces."""
    pushed.ranges = ranges
    pushed.cut[path] = [50_000, 90_000, 130_001]
    sandbox.table(helm=[place(pushed)])
    assert sandbox.download("helm")["helm"].read_bytes() == HELM
    starts = [headers.get("Range") for asked, headers in pushed.asked if asked == path]
    assert starts == [None, "bytes=50000-", "bytes=90000-", "bytes=130001-"]


@pytest.mark.parametrize("at", [0, 50_000], ids=["before the first byte", "in the middle"])
@pytest.mark.parametrize(("place", "path"), [(image, BLOB), (file, FILE)], ids=["image", "file"])
def test_a_download_that_stays_cut_is_one_line_and_leaves_nothing(
    pushed: Server,
    sandbox: Sandbox,
    place: Callable[[Server], dict[str, object]],
    path: str,
    at: int,
) -> None:
    """A proxy that cuts at a size limit would be asked for ever."""
    pushed.cut[path] = [at] * 20
    sandbox.table(helm=[place(pushed)])
    assert sandbox.download("helm") == {}
    assert len(sandbox.said) == 1
    assert f"cut after {at / 1e6:.1f} MB of " in sandbox.said[0]
    assert "4 tries; not used" in sandbox.said[0]
    assert sandbox.left() == []


def test_a_busy_server_is_asked_again(pushed: Server, sandbox: Sandbox) -> None:
    """Registries answer 503 and 429 for a moment, and mean it for a moment."""
    pushed.busy = {"/v2/acme/helm/manifests/1.2.3": 2, BLOB: 2}
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm")


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_an_unreachable_host_is_said_once_and_the_next_source_serves(
    pushed: Server, sandbox: Sandbox
) -> None:
    """Behind a firewall every program would wait for, and say, the same."""
    dead = closed_port()
    places = {name: [image(dead), file(pushed)] for name in ("helm", "etcd", "kwok")}
    sandbox.table(**places)
    assert set(sandbox.download("helm", "etcd", "kwok")) == {"helm", "etcd", "kwok"}
    said = [line for line in sandbox.said if dead in line]
    assert said == [f"{dead}: Connection refused; the next source is tried"]


def test_a_host_that_does_not_answer_costs_its_time_once_for_all(sandbox: Sandbox) -> None:
    """It accepts and stays silent, as a filter does; ten programs must not wait ten times."""
    with socket.socket() as first, socket.socket() as second:
        silent = []
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
            each.listen(50)
            silent.append(f"127.0.0.1:{each.getsockname()[1]}")
        names = [f"tool{number}" for number in range(10)]
        sandbox.table(**{name: [image(silent[0]), image(silent[1])] for name in names})
        started = time.monotonic()
        assert sandbox.download(*names, seconds=1) == {}
        assert time.monotonic() - started < 2
    assert sorted(sandbox.said) == sorted(
        f"{host}: no answer within 1 s; the next source is tried" for host in silent
    )


def test_a_name_that_the_system_looks_up_for_long_is_given_up_in_time(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time-out of a connection covers the look-up of its name."""

    def look_up(*_arguments: object, **_options: object) -> None:
        time.sleep(2)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    sandbox.table(helm=[image("registry.invalid")])
    started = time.monotonic()
    assert sandbox.download("helm", seconds=0.5) == {}
    assert time.monotonic() - started < 1.5
    assert "no answer within" in sandbox.said[0]


def test_nobody_waits_longer_than_five_seconds_for_a_host() -> None:
    """What is promised to who sits behind a firewall."""
    assert hosts.SECONDS <= 5


def test_a_slow_host_is_waited_for_as_long_as_bytes_come(pushed: Server, sandbox: Sandbox) -> None:
    """Slow is no fault: only a transfer that stands still is given up."""
    pushed.pause = 0.05
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm", stall=0.5)


def test_a_transfer_that_stands_still_is_given_up_in_time(pushed: Server, sandbox: Sandbox) -> None:
    """A connection that a firewall forgot never ends by itself."""
    pushed.pause = 1.0
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm", stall=0.2) == {}
    assert "timed out" in sandbox.said[0]
    assert sandbox.left() == []


def test_a_full_disk_is_one_line_and_leaves_nothing(
    pushed: Server, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says of the disk is what there is to mend."""

    def full(*_arguments: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sandbox.archives.write", full)
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm") == {}
    assert "No space left on device; not used" in sandbox.said[0]
    assert sandbox.left() == []


def test_a_signature_in_an_address_is_not_printed(pushed: Server, sandbox: Sandbox) -> None:
    """Object stores sign addresses: whoever reads the log could open them."""
    signature = digest(b"signature")[7:39]
    pushed.redirects[BLOB] = f"{pushed.address}/store/blob?X-Signature={signature}"
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm") == {}
    assert signature in pushed.paths()[-1]
    assert signature not in sandbox.said[0]
    assert "/blobs/" in sandbox.said[0] or "/store/blob: not there" in sandbox.said[0]


def test_what_a_server_says_cannot_move_the_cursor(upstream: Server, sandbox: Sandbox) -> None:
    """A forged line, drawn over ours, could say that all is well."""
    layers = [{"digest": "\x1b[2Jok\nall is well", "size": 1}]
    body = json.dumps({"layers": layers}).encode()
    upstream.files["/v2/acme/helm/manifests/1.2.3"] = body
    upstream.redirects[FILE] = "http://127.0.0.1:9\x1b[2J/x"
    sandbox.table(helm=[image(upstream), file(upstream)])
    assert sandbox.download("helm") == {}
    assert len(sandbox.said) == 2
    assert all(line.isprintable() for line in sandbox.said)


def test_a_mirror_is_asked_first_under_the_name_of_upstream(
    serve: Callable[[], Server], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path scheme of pull-through proxies; upstream itself is then never asked."""
    near = serve()
    monkeypatch.setenv("SANDBOX_MIRROR", f"{near.address}/cache/")
    near.push("registry.example/acme/helm", "1.2.3", [LAYER], prefix="/cache/v2")
    near.files["/cache/files.example/dl/1.2.3/kwok"] = HELM
    sandbox.table(
        helm=[image("registry.example")], kwok=[file("https://files.example", name="kwok")]
    )
    assert set(sandbox.download("helm", "kwok")) == {"helm", "kwok"}
    assert sorted(near.paths())[0] == "/cache/files.example/dl/1.2.3/kwok"
    assert all(path.startswith("/cache/") for path in near.paths())


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "has not got it"])
def test_behind_a_mirror_that_fails_upstream_is_asked(
    pushed: Server,
    serve: Callable[[], Server],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    gone: bool,
) -> None:
    """A mirror is in front, not instead: half a mirror helps."""
    near = serve()
    monkeypatch.setenv("SANDBOX_MIRROR", f"http://{closed_port()}" if gone else near.address)
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm")
    assert ("next source" if gone else "not there; not used") in sandbox.said[0]


@pytest.mark.parametrize(
    "text", ["mirror.example", "ftp://mirror.example", "https://", "https://u:p@m.example", "on"]
)
def test_a_mirror_that_is_no_address_is_refused(text: str) -> None:
    """It would be passed over in silence, and upstream asked."""
    with pytest.raises(BadInputError, match="SANDBOX_MIRROR"):
        mirror({"SANDBOX_MIRROR": text})


def test_switched_off_nothing_is_asked(
    pushed: Server, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For who wants builds alone, and for tests."""
    monkeypatch.setenv("SANDBOX_MIRROR", "off")
    sandbox.table(helm=[image(pushed)])
    assert sandbox.download("helm") == {}
    assert pushed.asked == []
