"""CHARTS_LOCATION: mirrors, registries and folders in place of each chart's own repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bot.cli.fetch_charts import main
from stack.charts.crds import archive_of
from tests.unit.fetch.server import ALL, CERTS, MANIFEST, MESH, Server, cached


def test_a_folder_serves_as_well(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without network gets the cache of another one."""
    folder = project / "usb"
    folder.mkdir()
    for name, content in ALL.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("CHARTS_LOCATION", str(folder))
    assert main([], project) == 0
    assert cached(project) == ALL
    assert server.asked == []


def test_a_folder_without_an_archive_says_where_it_should_be(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name in the error is the name to give the file."""
    (project / "usb").mkdir()
    monkeypatch.setenv("CHARTS_LOCATION", str(project / "usb"))
    assert main([], project) == 1
    assert str(project / "usb" / "mesh-1.2.3.tgz") in capsys.readouterr().err


@pytest.mark.parametrize("with_index", [True, False], ids=["helm-repository", "file-server"])
def test_a_mirror_serves_all_from_one_address(
    project: Path, server: Server, monkeypatch: pytest.MonkeyPatch, *, with_index: bool
) -> None:
    """Companies mirror with a Helm repository, or with a web server on a folder."""
    server.files = {f"/mirror/{name}": content for name, content in ALL.items()}
    if with_index:
        entries = {
            "mesh": [{"version": "1.2.3", "urls": ["mesh-1.2.3.tgz"]}],
            "certs": [{"version": "v4.5.6", "urls": ["certs-v4.5.6.tgz"]}],
        }
        server.files["/mirror/index.yaml"] = yaml.safe_dump({"entries": entries}).encode()
    monkeypatch.setenv("CHARTS_LOCATION", f"{server.address}/mirror/")
    assert main([], project) == 0
    assert cached(project) == ALL
    assert all(path.startswith("/mirror/") for path in server.asked)


def test_a_registry_is_read_by_helm(
    project: Path, monkeypatch: pytest.MonkeyPatch, helm: Callable[[str], Path]
) -> None:
    """All of it, the manifest too: it lies there as a chart that holds it."""
    (project / "gateway.tgz").write_bytes(
        archive_of({"gateway/Chart.yaml": b"name: gateway", "gateway/manifest.yaml": MANIFEST})
    )
    (project / "mesh.tgz").write_bytes(MESH)
    (project / "certs.tgz").write_bytes(CERTS)
    seen = helm(f'cp {project}/"${{2##*/}}".tgz "$6"/x.tgz')
    monkeypatch.setenv("CHARTS_LOCATION", "oci://registry.example.com/charts/")
    assert main([], project) == 0
    assert cached(project) == ALL
    first = seen.read_text().splitlines()[0].split()
    assert first[:4] == ["pull", "oci://registry.example.com/charts/mesh", "--version", "1.2.3"]


def test_a_registry_that_refuses_is_quoted(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    helm: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Helm knows best why; we add what usually helps."""
    helm('echo "Error: denied" >&2; exit 1')
    monkeypatch.setenv("CHARTS_LOCATION", "oci://registry.example.com/charts")
    assert main([], project) == 1
    error = capsys.readouterr().err
    assert "oci://registry.example.com/charts/mesh: Error: denied; log in with" in error


def test_a_registry_without_helm_is_a_missing_tool(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and where to get it."""
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setenv("CHARTS_LOCATION", "oci://registry.example.com/charts")
    assert main([], project) == 3
    assert "needs helm" in capsys.readouterr().err


@pytest.mark.parametrize("location", ["/no/such/folder", "ftp://example.com/charts"])
def test_a_location_that_is_none_is_refused(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    location: str,
) -> None:
    """One line, exit code 2, nothing asked for."""
    monkeypatch.setenv("CHARTS_LOCATION", location)
    assert main([], project) == 2
    assert f"CHARTS_LOCATION: {location!r}" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback where a network is missing."""
    monkeypatch.setenv("CHARTS_LOCATION", "http://127.0.0.1:9/charts")
    assert main([], project) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(ALL)
    assert all("http://127.0.0.1:9/charts" in line for line in lines)
