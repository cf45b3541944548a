"""A mirror that wants a login: the login is used, sent to that host alone, and shown nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.cli.fetch_charts import main
from components.chart import ChartRef, published
from tests.unit.fetch.server import ALL, Server, cached

USER = "robot"
# Made here, so that nothing in the tree looks like one; with what an address must escape.
PASSWORD = f"{hashlib.sha256(b'mirror').hexdigest()[:10]}@/"
ESCAPED = PASSWORD.replace("@", "%40").replace("/", "%2F")
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
OUTSIDE = "https://robot:" + "p4ss" + "@mirror.example.com/helm"


@pytest.fixture
def mirror(server: Server) -> Server:
    server.files = {f"/mirror/{name}": content for name, content in ALL.items()}
    server.login = f"Basic {ENCODED}"
    return server


def private(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)


def in_address(_home: Path, host: str, _set: Callable[[str, str], None]) -> str:
    return f"http://{USER}:{ESCAPED}@{host}/mirror"


def in_variables(_home: Path, host: str, setenv: Callable[[str, str], None]) -> str:
    setenv("CHARTS_USERNAME", USER)
    setenv("CHARTS_PASSWORD", PASSWORD)
    return f"http://{host}/mirror"


def in_netrc(home: Path, host: str, _set: Callable[[str, str], None]) -> str:
    name = host.partition(":")[0]
    private(home / ".netrc", f"machine {name} login {USER} password {PASSWORD}\n")
    return f"http://{host}/mirror"


def in_named_netrc(home: Path, host: str, setenv: Callable[[str, str], None]) -> str:
    in_netrc(home / "other", host, setenv)
    setenv("NETRC", str(home / "other" / ".netrc"))
    return f"http://{host}/mirror"


def in_helm(home: Path, host: str, _set: Callable[[str, str], None]) -> str:
    file = home / ".config" / "helm" / "registry" / "config.json"
    private(file, json.dumps({"auths": {host: {"auth": ENCODED}}}))
    return f"http://{host}/mirror"


def in_docker(home: Path, host: str, _set: Callable[[str, str], None]) -> str:
    private(home / ".docker" / "config.json", json.dumps({"auths": {host: {"auth": ENCODED}}}))
    return f"http://{host}/mirror"


Keep = Callable[[Path, str, Callable[[str, str], None]], str]
KEPT = [in_address, in_variables, in_netrc, in_named_netrc, in_helm, in_docker]


@pytest.mark.parametrize("keep", KEPT)
def test_public_reports_25_a_mirror_that_wants_a_login_serves_all(
    project: Path,
    mirror: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keep: Keep,
) -> None:
    """helmsman#561: the login in the address was taken for a host, and netrc was not read."""
    host = mirror.address.removeprefix("http://")
    monkeypatch.setenv("CHARTS_LOCATION", keep(project / "home", host, monkeypatch.setenv))
    assert main([], project) == 0
    assert cached(project) == ALL
    told = "".join(capsys.readouterr())
    assert PASSWORD not in told
    assert ESCAPED not in told


@pytest.mark.parametrize("path", ["/mirror", "/nowhere", "/moved"])
def test_public_reports_25_no_error_has_the_login_of_the_address(
    project: Path,
    mirror: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: str,
) -> None:
    """helm#3092: eight lines of CI's log had the password."""
    mirror.moved = {f"/moved/{name}": "ftp://x.example.com/" for name in ALL}
    if path == "/mirror":
        mirror.login = "Basic of somebody else"
    host = mirror.address.removeprefix("http://")
    monkeypatch.setenv("CHARTS_LOCATION", f"http://{USER}:{ESCAPED}@{host}{path}")
    assert main([], project) == 1
    told = "".join(capsys.readouterr())
    lines = told.splitlines()
    assert len(lines) == len(ALL)
    assert all(f"http://{host}{path}/" in line for line in lines)
    assert not any(each in told for each in (PASSWORD, ESCAPED, USER, ENCODED))
    if path == "/mirror":
        assert all("CHARTS_PASSWORD" in line for line in lines)


def test_a_login_does_not_travel_to_another_host(
    project: Path, mirror: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror sends to an object store, which has its own signature in the address."""
    store = Server()
    try:
        thread = threading.Thread(target=store.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        store.files = mirror.files
        mirror.moved = {path: f"{store.address}{path}" for path in mirror.files}
        host = mirror.address.removeprefix("http://")
        monkeypatch.setenv("CHARTS_LOCATION", f"http://{USER}:{ESCAPED}@{host}/mirror")
        assert main([], project) == 0
        assert set(store.sent) == {None}
    finally:
        store.shutdown()
        store.server_close()


def test_a_redirect_within_the_mirror_keeps_the_login(
    project: Path, mirror: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Artifactory sends to another path of its own."""
    mirror.moved = {f"/alias/{name}": f"/mirror/{name}" for name in ALL}
    host = mirror.address.removeprefix("http://")
    monkeypatch.setenv("CHARTS_LOCATION", f"http://{USER}:{ESCAPED}@{host}/alias")
    assert main([], project) == 0


@pytest.mark.parametrize(
    ("location", "variables", "part"),
    [
        (OUTSIDE.replace("https", "http"), {}, "a login is not sent over http: use https"),
        (OUTSIDE.replace("https", "ftp"), {}, "ftp://mirror.example.com/helm' is no folder"),
        (OUTSIDE.replace(".com", ".com:x"), {}, "is no address"),
        ("https://m.example.com", {"CHARTS_USERNAME": "a"}, "CHARTS_PASSWORD: not set"),
        ("oci://m.example.com", {"CHARTS_PASSWORD": "a"}, "CHARTS_USERNAME: not set"),
    ],
)
def test_public_reports_25_a_location_with_a_faulty_login_is_refused_without_showing_it(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    location: str,
    variables: dict[str, str],
    part: str,
) -> None:
    """Exit code 2 and one line, before anything is asked."""
    monkeypatch.setenv("CHARTS_LOCATION", location)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main([], project) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert part in line
    assert "p4ss" not in line


def test_public_reports_25_charts_yaml_holds_no_login(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is committed, and what a pull request shows of it anybody reads."""
    file = project / "charts.yaml"
    text = file.read_text().replace("repository: http://", "repository: http://me:" + "p4ss@", 1)
    file.write_text(text)
    assert main([], project) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "charts.yaml:4: charts.mesh.repository: has a login: write http://127.0.0.1" in line
    assert "p4ss" not in line


def test_public_reports_25_no_component_takes_an_address_with_a_login() -> None:
    """It would be an input of the chart, and so in the state in clear."""
    for make in (
        lambda: ChartRef(name="viz", version="1.0.0", repository=OUTSIDE),
        lambda: published("linkerd-viz", OUTSIDE),
    ):
        with pytest.raises(ValidationError) as error:
            make()
        assert "https://mirror.example.com/helm: remove the login" in str(error.value)
        assert "p4ss" not in str(error.value)


@pytest.mark.parametrize("keep", [in_address, in_variables, in_netrc, in_helm])
def test_public_reports_26_helm_gets_the_login_in_a_file_and_no_argument(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    helm: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    keep: Keep,
) -> None:
    """Arguments are in the list of processes; what Helm has itself is left to Helm."""
    seen = helm('for last; do :; done; case "$last" in *.json) cat "$last" >&2;; esac; exit 1')
    location = keep(project / "home", "registry.example.com", monkeypatch.setenv)
    monkeypatch.setenv("CHARTS_LOCATION", location.replace("http://", "oci://"))
    assert main([], project) == 1
    arguments = seen.read_text()
    assert not any(each in arguments for each in (PASSWORD, ESCAPED, ENCODED, USER))
    told = capsys.readouterr().err
    assert ("--registry-config" in arguments) == (keep is not in_helm)
    assert ("auths" in told) == (keep is not in_helm)
    assert ENCODED not in told
