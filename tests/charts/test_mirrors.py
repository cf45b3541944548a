"""An air gap: every file from one registry that wants a login, with everything else unreachable."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

import pytest

from bot.cli.fetch_charts import main
from stack.charts import Charts
from tests.charts.registry import registry
from tests.unit.whole_program import project

PASSWORD = hashlib.sha256(b"registry").hexdigest()[:12]
LOGIN = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()


@pytest.fixture
def gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without logins and without a way out."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "DOCKER_CONFIG", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    return tmp_path


def test_public_reports_26_every_file_goes_into_a_registry_and_comes_out_of_it(
    gap: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """linkerd2#3204: charts came from the mirror, and the Gateway API still from github.com."""
    if shutil.which("helm") is None:
        pytest.skip("helm is not on PATH")
    charts = Charts(project())
    present = {name: charts.source(name) for name in charts.entries if charts.source(name).exists()}
    if "gateway-api" not in present or "cert-manager" not in present:
        pytest.skip("chart archives are missing (make charts)")
    (gap / "charts.yaml").write_text(
        "".join(
            f"{section}:\n"
            + "".join(
                f"  {name}:\n    {'url' if manifest else 'repository'}: https://x.example.com/\n"
                f"    version: {charts.entries[name].version}\n"
                for name in present
                if (present[name].suffix == ".yaml") == manifest
            )
            for section, manifest in (("charts", False), ("manifests", True))
        )
    )
    with registry(LOGIN) as mirror:
        monkeypatch.setenv("CHARTS_USERNAME", "robot")
        monkeypatch.setenv("CHARTS_PASSWORD", PASSWORD)
        location = f"oci://{mirror.host}/charts"
        assert main(["--push", location], gap) == 0, capsys.readouterr().err
        for name in ("CHARTS_USERNAME", "CHARTS_PASSWORD"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("CHARTS_DIR", str(gap / "cache"))
        monkeypatch.setenv("CHARTS_LOCATION", location)
        assert main([], gap) == 1
        assert "credential not found; log in with" in capsys.readouterr().err
        netrc = gap / "home" / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login robot password {PASSWORD}\n")
        netrc.chmod(0o600)
        assert main([], gap) == 0
    told = "".join(capsys.readouterr())
    assert PASSWORD not in told
    for file in present.values():
        assert (gap / "cache" / file.name).read_bytes() == file.read_bytes()
