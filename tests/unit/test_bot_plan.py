"""`python -m bot plan`: exit codes, secrets and the folder it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bot.cli import dispatch
from tests.programs import ran
from tests.unit.bot_project import PROJECT_DIR, project, stack_file, use
from tests.unit.context import Context

ID, CIPHERTEXT = "client-id-hunter2", "v1:ciphertext-hunter2"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return ran([sys.executable, "-m", "bot", *arguments], cwd=PROJECT_DIR)


@pytest.fixture
def secret_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack with its credentials in the stack file, one of them encrypted."""
    staging = stack_file("staging")
    credentials = {"source": "config", "clientId": ID, "clientSecret": {"secure": CIPHERTEXT}}
    staging["config"]["linkerd-platform:buoyantCloud"] = {
        "enabled": True,
        "credentials": credentials,
    }
    return use(tmp_path, monkeypatch, staging=staging, trust=stack_file("trust"))


def test_an_unknown_stack_is_one_line_with_the_nearest_name() -> None:
    """A typing error needs the name that was meant, not a traceback."""
    done = _run("plan", "--stack", "prodction")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "stack 'prodction': no file Pulumi.prodction.yaml; did you mean 'production'? "
        "known: production, sandbox, staging, trust\n"
    )


@pytest.mark.parametrize(
    "arguments", [["plan"], ["plan", "--stack", "trust", "--all"], ["plam"], ["plan", "--stak"]]
)
def test_bad_arguments_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a way to learn more."""
    with pytest.raises(SystemExit) as caught:
        dispatch.main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert (caught.value.code, len(lines)) == (2, 1)
    assert "--help" in lines[0]


def test_a_faulty_stack_file_is_told_with_all_faults(tmp_path: Path) -> None:
    """Of every file, at once, and nothing is planned."""
    one, other = stack_file("staging"), stack_file("trust")
    one["config"]["linkerd-platform:linkerd"] = {"replica": 3, "logLevel": "loud"}
    other["config"]["linkerd-platform:role"] = "boss"
    folder = project(tmp_path, staging=one, trust=other)
    script = (
        "import sys; from pathlib import Path; from bot import stacks; "
        "from bot.cli import dispatch; "
        f"stacks.PROJECT_DIR = Path({str(folder)!r}); sys.exit(dispatch.main(['plan', '--all']))"
    )
    done = ran([sys.executable, "-c", script], cwd=PROJECT_DIR)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 3)
    for part in ("linkerd.replica: ", "did you mean 'replicas'?", "linkerd.logLevel: ", "role: "):
        assert part in done.stderr
    assert [line.split(":")[0] for line in lines] == [
        "Pulumi.staging.yaml",
        "Pulumi.staging.yaml",
        "Pulumi.trust.yaml",
    ]


@pytest.mark.usefixtures("secret_project")
def test_a_chart_that_helm_refuses_fails_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A preview would fail as well: better here, with Helm's reason."""
    program = tmp_path / "bin" / "helm"
    program.write_text("#!/bin/sh\necho 'Error: values must be good' >&2\nexit 1\n")
    assert dispatch.main(["plan", "--stack", "staging"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("chart ")
    assert lines[0].endswith(": helm template: values must be good")


@pytest.mark.usefixtures("secret_project")
def test_a_damaged_archive_is_not_taken_for_a_missing_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan that goes on with a warning would hide that somebody changed the archive."""
    (archive,) = (tmp_path / "charts").glob("cert-manager-*.tgz")
    archive.write_bytes(b"no archive")
    assert dispatch.main(["plan", "--stack", "staging"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(str(archive))


@pytest.mark.usefixtures("secret_project")
def test_no_secret_is_shown_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan is posted where anybody reads it; its cache outlives it."""
    assert dispatch.main(["plan", "--all"]) == 0
    text = capsys.readouterr().out
    assert dispatch.main(["plan", "--all", "--json", "--out", str(tmp_path / "out")]) == 0
    shown = [text, capsys.readouterr().out]
    files = [f for d in ("out", "cache") for f in (tmp_path / d).rglob("*") if f.is_file()]
    assert len(files) > 20
    shown += [file.read_text(encoding="utf-8") for file in files]
    for content in shown:
        assert "hunter2" not in content
        # What the chart itself made, in base64.
        assert "aHVudGVyMi" not in content
    written = tmp_path / "out/staging/manifests/linkerd-buoyant/Secret"
    secret = yaml.safe_load((written / "buoyant-cloud-org-credentials.yaml").read_text())
    assert secret["stringData"] == {"client_id": "[secret]", "client_secret": "[secret]"}
    secret = yaml.safe_load((written / "made-by-helm.yaml").read_text())
    assert secret["data"] == {"token": "[secret]"}


@pytest.mark.usefixtures("secret_project")
def test_the_folder_holds_each_object_by_namespace_and_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that two folders can be compared with `diff -r`."""
    out = tmp_path / "out"
    assert dispatch.main(["plan", "--all", "--json", "--out", str(out)]) == 0
    assert (out / "plan.json").read_text() == capsys.readouterr().out
    certificate = out / "staging/manifests/linkerd/Certificate/linkerd-identity-issuer.yaml"
    assert yaml.safe_load(certificate.read_text())["spec"]["isCA"] is True
    hook = out / "staging/manifests/_cluster/ValidatingWebhookConfiguration/hook.yaml"
    annotations = yaml.safe_load(hook.read_text())["metadata"]["annotations"]
    assert "pulumi.com/waitFor" in annotations, "the stack transform applies to a chart's objects"
    chart = (out / "staging/charts/cert-manager.yaml").read_text()
    kinds = [document["kind"] for document in yaml.safe_load_all(chart)]
    assert kinds == ["Secret", "ValidatingWebhookConfiguration", "CustomResourceDefinition"]


@pytest.mark.usefixtures("secret_project")
def test_a_second_plan_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    """An object that is no longer planned must not look planned; what is not ours stays."""
    out = tmp_path / "out"
    assert dispatch.main(["plan", "--all", "--out", str(out)]) == 0
    (out / "staging" / "note.txt").write_text("mine")
    assert dispatch.main(["plan", "--stack", "trust", "--out", str(out)]) == 0
    left = sorted(str(f.relative_to(out)) for f in out.rglob("*") if f.is_file())
    assert left == ["index.html", "plan.json", "staging/note.txt", "trust/graph.svg"]


@pytest.mark.usefixtures("secret_project")
@pytest.mark.parametrize("content", ["notes.txt", "staging"])
def test_a_folder_with_something_else_in_it_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    """`--out .` would mix the plan with the project."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / content).write_text("mine")
    assert dispatch.main(["plan", "--stack", "trust", "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [f.name for f in (tmp_path / "out").iterdir()] == [content]


@pytest.mark.usefixtures("secret_project")
def test_text_names_every_resource_chart_and_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal's form leaves nothing out that the document has."""
    assert dispatch.main(["plan", "--stack", "staging"]) == 0
    text = capsys.readouterr().out
    assert dispatch.main(["plan", "--stack", "staging", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    words = set(text.split())
    assert document["warnings"] == []
    for entry in (*document["resources"], *document["charts"]):
        assert entry["name"] in words, entry["name"]
    for name in document["exports"]:
        assert f"  {name}: " in text


def test_a_broken_policy_refuses_the_plan_and_still_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has to mend it needs the plan in which it is broken."""
    file = stack_file("production")
    file["config"]["linkerd-platform:protection"] = {"protect": False}
    folder = project(tmp_path, production=file)
    Context(monkeypatch).project(folder)
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "none"))
    assert dispatch.main(["plan", "--all", "--out", str(tmp_path / "out")]) == 4
    shown = capsys.readouterr()
    assert shown.out.startswith("Stack production: ")
    assert (tmp_path / "out" / "plan.json").is_file()
    lines = [line for line in shown.err.splitlines() if not line.startswith("written: ")]
    notes = [line for line in lines if line.startswith("note: ")]
    assert [note.count("make charts charts-lock") for note in notes] == [1]
    lines = [line for line in lines if line not in notes]
    assert len(lines) >= 5
    assert all(line.startswith("production: mandatory policy crds-protected: ") for line in lines)
