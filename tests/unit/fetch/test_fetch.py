"""`make charts` against a real HTTP server: what it keeps, refuses and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cli.fetch_charts import digest_of, main
from tests.unit.fetch.server import ALL, MESH, Server, cached, chart


def test_everything_listed_is_fetched_from_where_it_is_published(project: Path) -> None:
    """Addresses in an index may be whole or relative; a manifest has no index."""
    assert main([], project) == 0
    assert cached(project) == ALL


def test_what_is_there_is_not_fetched_again(project: Path, server: Server) -> None:
    """A second `make charts` needs no network."""
    assert main([], project) == 0
    server.asked.clear()
    assert main([], project) == 0
    assert server.asked == []


def test_a_damaged_archive_in_the_cache_is_replaced(project: Path) -> None:
    """A full disk once left half a file; nobody should have to find it by hand."""
    assert main([], project) == 0
    (project / "cache" / "mesh-1.2.3.tgz").write_bytes(MESH[:200])
    assert main([], project) == 0
    assert cached(project) == ALL


def _set_digest(project: Path, digest: str) -> None:
    file = project / "charts.yaml"
    file.write_text(file.read_text().replace("    held:", f"    digest: {digest}\n    held:"))


def test_an_archive_with_another_digest_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive changed upstream under the same version is an attack, or a mistake to look at."""
    _set_digest(project, f"sha256:{'0' * 64}")
    assert main([], project) == 1
    assert cached(project).keys() == ALL.keys() - {"mesh-1.2.3.tgz"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("charts: mesh 1.2.3: ")
    assert digest_of(MESH) in line
    assert "make charts charts-lock" in line


def test_an_archive_with_the_right_digest_is_taken(project: Path) -> None:
    """The form that `--lock` writes is the form that is checked."""
    _set_digest(project, digest_of(MESH))
    assert main([], project) == 0
    assert cached(project) == ALL


def test_a_digest_of_another_form_is_a_fault_of_the_file(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A digest that can never match would read as an attack."""
    _set_digest(project, "md5:1234")
    assert main([], project) == 2
    assert "charts.yaml: mesh.digest" in capsys.readouterr().err


def test_a_download_cut_short_is_refused(
    project: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an archive in the cache would fail later, and somewhere else."""
    server.cut.add("/repo/mesh-1.2.3.tgz")
    assert main([], project) == 1
    assert cached(project).keys() == ALL.keys() - {"mesh-1.2.3.tgz"}
    assert f"ended early, {len(MESH) - 100} bytes missing" in capsys.readouterr().err


def test_a_body_cut_before_the_server_is_refused_too(
    project: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mirror that stored half a file announces half its length."""
    server.files["/repo/mesh-1.2.3.tgz"] = MESH[: len(MESH) // 2]
    assert main([], project) == 1
    assert "not a complete archive of the chart mesh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lost", "chart_name", "kept"),
    [
        ("/repo/certs-v4.5.6.tgz", "certs v4.5.6", ALL.keys() - {"certs-v4.5.6.tgz"}),
        ("/gateway.yaml", "gateway 1.0.0", ALL.keys() - {"gateway-1.0.0.yaml"}),
    ],
)
def test_one_missing_file_does_not_stop_the_others(
    project: Path,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    lost: str,
    chart_name: str,
    kept: set[str],
) -> None:
    """The line says which chart, at which address, and what to do."""
    del server.files[lost]
    assert main([], project) == 1
    assert cached(project).keys() == kept
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"charts: {chart_name}: {server.address}{lost}: 404")
    assert "CHARTS_LOCATION" in line


def test_a_version_that_is_not_published_names_those_that_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo in a version is mended from the error alone."""
    file = project / "charts.yaml"
    file.write_text(file.read_text().replace("1.2.3", "1.2.9"))
    assert main([], project) == 1
    assert "has no mesh 1.2.9; its first versions are 1.2.4, 1.2.3" in capsys.readouterr().err


def test_a_page_in_place_of_an_archive_is_refused(
    project: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proxies answer with a login page and status 200."""
    server.files["/repo/mesh-1.2.3.tgz"] = b"<html>please log in</html>"
    server.files["/gateway.yaml"] = b"<html>please log in</html>"
    assert main([], project) == 1
    assert cached(project).keys() == {"certs-v4.5.6.tgz"}
    assert "it contains no CRD" in capsys.readouterr().err


def test_another_chart_under_the_name_is_refused(
    project: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mirror filled by hand is one rename away from the wrong version."""
    server.files["/repo/mesh-1.2.3.tgz"] = chart("mesh", "1.2.2")
    assert main([], project) == 1
    assert "it is mesh 1.2.2" in capsys.readouterr().err
