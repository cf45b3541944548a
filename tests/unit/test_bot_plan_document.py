"""The document of `bot plan --json`: its form is what other programs build on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bot.cli import dispatch
from tests.unit.bot_project import project, stack_file, use

_TEXT = {"type": "string", "minLength": 1}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def _closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


OBJECT = _closed(
    apiVersion=_TEXT,
    kind=_TEXT,
    namespace=_TEXT_OR_NULL,
    name=_TEXT,
    urn=_TEXT_OR_NULL,
    protect={"type": "boolean"},
)
SCHEMA = _closed(
    stack=_TEXT,
    resources={
        "type": "array",
        "minItems": 1,
        "items": _closed(
            urn={"type": "string", "pattern": "^urn:pulumi:"},
            type=_TEXT,
            name=_TEXT,
            parent=_TEXT_OR_NULL,
            inputs={"type": "object"},
            protect={"type": "boolean"},
            retainOnDelete={"type": "boolean"},
            provider=_TEXT_OR_NULL,
            dependencies={"type": "array", "items": _TEXT, "uniqueItems": True},
        ),
    },
    charts={
        "type": "array",
        "items": _closed(
            urn=_TEXT,
            form={"enum": ["Chart", "Release"]},
            name=_TEXT,
            version=_TEXT,
            namespace=_TEXT,
            rendered={"type": "boolean"},
            objects={"type": "array", "items": OBJECT},
        ),
    },
    exports={"type": "object"},
    warnings={"type": "array", "items": _TEXT},
)


@pytest.fixture
def chart_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stacks, tiny charts, and a helm that gives three objects for each."""
    return use(tmp_path, monkeypatch, staging=stack_file("staging"), trust=stack_file("trust"))


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert dispatch.main(["plan", "--json", *arguments]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.usefixtures("chart_project")
@pytest.mark.parametrize("name", ["staging", "trust"])
def test_the_document_of_a_stack_fits_the_schema(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A key that vanishes breaks whoever reads it."""
    document = _json(capsys, "--stack", name)
    jsonschema.validate(document, SCHEMA)
    assert document["stack"] == name


@pytest.mark.usefixtures("chart_project")
def test_several_stacks_are_still_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Two documents in one stream are no JSON."""
    document = _json(capsys, "--all")
    assert [entry["stack"] for entry in document["stacks"]] == ["staging", "trust"]
    for entry in document["stacks"]:
        jsonschema.validate(entry, SCHEMA)


@pytest.mark.usefixtures("chart_project")
def test_an_object_of_a_chart_has_the_urn_the_engine_gives_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """So that a plan and a preview speak of the same things."""
    charts = {c["name"]: c for c in _json(capsys, "--stack", "staging")["charts"]}
    secret, hook, crd = charts["cert-manager"]["objects"]
    head = (
        "urn:pulumi:staging::linkerd-platform::linkerd-platform:certificates:CertManager"
        "$kubernetes:helm.sh/v4:Chart$kubernetes:"
    )
    assert secret["urn"] == (f"{head}core/v1:Secret::cert-manager:cert-manager/made-by-helm")
    assert (secret["namespace"], hook["namespace"]) == ("cert-manager", None)
    assert hook["urn"].endswith("ValidatingWebhookConfiguration::cert-manager:hook")
    assert (crd["protect"], secret["protect"]) == (True, False)


@pytest.mark.usefixtures("chart_project")
def test_objects_of_a_release_have_no_urn(capsys: pytest.CaptureFixture[str]) -> None:
    """Helm owns them, not the engine."""
    charts = {c["name"]: c for c in _json(capsys, "--stack", "staging")["charts"]}
    crds = charts["cert-manager-crds"]
    assert (crds["form"], crds["rendered"], len(crds["objects"])) == ("Release", True, 3)
    assert {item["urn"] for item in crds["objects"]} == {None}


@pytest.mark.usefixtures("chart_project")
def test_without_helm_no_chart_is_rendered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resources are worth a plan by themselves, and the reader is told."""
    monkeypatch.setenv("PATH", "/nonexistent")
    document = _json(capsys, "--stack", "staging")
    assert not any(chart["rendered"] for chart in document["charts"])
    assert any("helm is not on PATH" in warning for warning in document["warnings"])


def test_a_rendering_is_kept_until_something_in_it_changes(
    chart_project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The second plan of the same charts calls helm for none, and gives the same."""
    first = _json(capsys, "--stack", "staging")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == len(first["charts"]) > 5
    assert _json(capsys, "--stack", "staging") == first
    assert (tmp_path / "calls").read_text().splitlines() == calls
    changed = stack_file("staging")
    changed["config"]["linkerd-platform:certManager"] = {"replicas": 5}
    project(chart_project, staging=changed)
    _json(capsys, "--stack", "staging")
    again = (tmp_path / "calls").read_text().splitlines()[len(calls) :]
    assert len(again) == 1
    assert again[0].startswith("template cert-manager ")


@pytest.mark.usefixtures("chart_project")
def test_a_chart_never_runs_its_hooks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The provider drops them from a Chart, Helm runs those of a Release."""
    _json(capsys, "--stack", "staging")
    calls = [c.split() for c in (tmp_path / "calls").read_text().splitlines()]
    without = {call[1] for call in calls if "--no-hooks" in call}
    assert without == {
        "cert-manager",
        "external-secrets",
        "linkerd-control-plane",
        "linkerd-viz",
        "trust-manager",
    }
    assert {call[call.index("--kube-version") + 1] for call in calls} == {"1.35.0"}
