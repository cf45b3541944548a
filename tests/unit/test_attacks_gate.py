"""Ways around "what is approved is what is applied", each tried through the command line.

A stand-in of the engine applies what the files of the project say when it runs, as a program does.
The same with the real engine and a real Vault: tests/e2e/test_attacks.py.

Here: fleet.yaml, copies of a stack, destroy, clusters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
import yaml

from bot.deploy import waves
from bot.exit_codes import BAD_INPUT, REFUSED, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from tests.unit import waves_sample
from tests.unit.attack_project import MODULE, SKIP, Project, contexts
from tests.unit.attack_project import project as project
from tests.unit.bot_trust_samples import root


def _without_production(text: str) -> str:
    return text.partition("  - name: production")[0]


_FLEETS: Mapping[str, Callable[[str], str | None]] = {
    "production removed": _without_production,
    "file deleted": lambda _text: None,
    "no approval": lambda text: text.replace("    approval: required\n", ""),
    "another wave": lambda text: text.replace("approval: required", "approval: none"),
}


@pytest.mark.parametrize("fleet", _FLEETS)
@pytest.mark.parametrize("command", ["up", "destroy"])
def test_a5_fleet_file_that_is_edited_opens_no_gate(
    project: Project, fleet: str, command: str
) -> None:
    """The stricter of what is committed and of what lies here holds."""
    file = project.folder / "fleet.yaml"
    text = _FLEETS[fleet](file.read_text())
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    words = ("--allow", "stack", "--allow", "namespace") if command == "destroy" else SKIP
    told = project.run(command, "--stack", "production", "--yes", *words, code=REFUSED)
    assert "takes only a commit" in told
    assert "fleet.yaml" in told
    assert project.applied == 0


def test_a5_stricter_fleet_file_that_is_not_committed_holds_too(project: Project) -> None:
    """Whoever is about to ask for an approval is asked for one."""
    project.replace(
        "fleet.yaml", "  - name: canary\n", "  - name: canary\n    approval: required\n"
    )
    told = project.run("up", "--stack", "staging", "--yes", code=REFUSED)
    assert "stack staging (wave canary) takes only a commit" in told


def test_a5_workflow_that_is_not_committed_is_refused_for_what_needs_approval(
    project: Project,
) -> None:
    """It is what makes the approval somebody's."""
    project.preview()
    project.approve()
    project.write(".github/workflows/stack.yml", "on: pull_request\n")
    assert "(.github/workflows/stack.yml)" in project.up(code=REFUSED)


def _copy(project: Project, name: str, **sections: object) -> None:
    document = yaml.safe_load((project.folder / "Pulumi.production.yaml").read_text())
    for section, content in sections.items():
        key = f"linkerd-platform:{section}"
        known = document["config"].get(key)
        both = isinstance(content, dict) and isinstance(known, dict)
        document["config"][key] = {**known, **content} if both else content  # type: ignore[dict-item]
    project.write(f"Pulumi.{name}.yaml", yaml.safe_dump(document))


_VAULT = {"address": "https://vault.of-my-own.example.com:8200"}
_OTHER = {"name": "other", "apiServer": "https://other.example.com:6443", "context": "other"}
_OTHER_CA = {"caPem": root("another CA").pem}
_COPIES: dict[str, tuple[dict[str, object], str]] = {
    "a copy": ({}, "is not in fleet.yaml"),
    "for staging": ({"environment": "staging"}, "is not in fleet.yaml"),
    "for development": ({"environment": "development"}, "which is stack "),
    "its cluster alone": ({"environment": "development", "vault": _VAULT}, "which is stack "),
    "its cluster by its CA": (
        {
            "environment": "development",
            "vault": _VAULT,
            "cluster": {**_OTHER, "context": "none"},
        },
        "the authority of its cluster, which is stack production's",
    ),
    "its Vault alone": ({"environment": "development", "cluster": _OTHER}, "the Vault https://vault"),
    "written otherwise": (
        {
            "environment": "development",
            "vault": _VAULT,
            "cluster": {**_OTHER, **_OTHER_CA, "apiServer": "https://API.Production.example.com:6443"},
        },
        "the cluster https://api.production.example.com:6443",
    ),
    "by its context": (
        {
            "environment": "development",
            "vault": _VAULT,
            "cluster": {**_OTHER, **_OTHER_CA, "context": "production"},
        },
        "the cluster https://api.production.example.com:6443",
    ),
}  # fmt: skip


@pytest.mark.parametrize("copy", _COPIES)
@pytest.mark.parametrize("command", ["up", "destroy"])
def test_a5_copy_of_a_stack_that_needs_approval_is_no_way_around_it(
    project: Project, copy: str, command: str
) -> None:
    """A stack that no rule names is refused, unless it is for development and keeps to itself."""
    sections, said = _COPIES[copy]
    _copy(project, "prod2", **sections)
    words = ("--allow", "stack", "--allow", "namespace") if command == "destroy" else ()
    told = project.run(command, "--stack", "prod2", "--yes", *words, code=REFUSED)
    assert said in told
    assert project.applied == 0


def test_a5_development_stack_of_its_own_needs_no_approval_and_proves_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody could try anything; production still waits for staging."""
    cluster = {**_OTHER, **_OTHER_CA}
    _copy(project, "mine", environment="development", vault=_VAULT, cluster=cluster)
    monkeypatch.setattr(trust_fleet, "guard", lambda _target: None)
    project.up("--yes", stack="mine")
    assert project.applied == 1
    project.git("add", "-A")
    project.git("commit", "-qm", "mine")
    project.preview()
    project.approve()
    told = project.up("--approved", str(project.approval), code=REFUSED)
    assert "missing: staging" in told


def test_a5_stack_without_approval_cannot_be_pointed_at_one_with(project: Project) -> None:
    """One line in the file of staging, and production's cluster would need no approval."""
    for old, new in (
        ("https://api.staging.example.com:6443", "https://api.production.example.com:6443"),
        ("context: staging", "context: production"),
    ):
        project.replace("Pulumi.staging.yaml", old, new)
        told = project.run("up", "--stack", "staging", "--yes", code=REFUSED)
        assert "which is stack production's" in told
        project.git("checkout", "-q", ".")
    assert project.applied == 0


def test_a5_file_of_the_gated_stack_hides_nothing_by_being_edited(project: Project) -> None:
    """What is committed of it counts as well as what lies here."""
    project.replace("Pulumi.production.yaml", "api.production.example", "api.gone.example")
    project.replace("Pulumi.staging.yaml", "api.staging.example", "api.production.example")
    told = project.run("up", "--stack", "staging", "--yes", code=REFUSED)
    assert "which is stack production's" in told


@pytest.mark.parametrize("said", ["prod", "prodction", "Production", "dev", "test", ""])
def test_a5_environment_is_one_of_three(project: Project, said: str) -> None:
    """A typo would switch the rules of production off in silence."""
    _copy(project, "prod2", environment=said)
    told = project.run("up", "--stack", "prod2", "--yes", code=BAD_INPUT)
    assert "linkerd-platform:environment: input should be 'development', 'staging' or" in told
    near = {"test": None, "": None, "dev": "development"}.get(said, "production")
    assert (f"did you mean '{near}'?" in told) == (near is not None)
    project.replace("fleet.yaml", "environment: production", f"environment: '{said}'")
    told = project.run("up", "--stack", "staging", "--yes", code=BAD_INPUT)
    assert "fleet.yaml:" in told
    assert "environment: should be development or staging or production" in told


def test_a5_environment_of_the_stack_file_is_the_fleets(project: Project) -> None:
    """`development` in the file of production is not what makes it so."""
    _copy(project, "production", environment="development")
    project.git("commit", "-qam", "for development")
    told = project.up("--yes", *SKIP, code=REFUSED)
    assert "environment: is development, and fleet.yaml says production" in told


def test_a5_owner_can_need_an_approval(project: Project) -> None:
    """Who changes the anchor changes every cluster."""
    owner = "owner: {stack: trust, approval: required}\n"
    project.replace("fleet.yaml", "owner: trust\n", owner)
    assert "takes only a commit" in project.up("--yes", stack="trust", code=REFUSED)
    project.git("commit", "-qam", "the owner needs an approval")
    assert "stack trust needs an approval" in project.up("--yes", stack="trust", code=REFUSED)
    project.preview("trust")
    project.approve(stack="trust")
    project.up("--approved", str(project.approval), stack="trust")
    project.replace("fleet.yaml", owner, "owner: {stack: trust, aproval: required}\n")
    told = project.up("--yes", stack="trust", code=BAD_INPUT)
    assert "owner.aproval: unknown key; did you mean 'approval'?" in told


_DESTROY = ("destroy", "--stack", "production", "--include-protected")
_ALLOW = ("--allow", "stack", "--allow", "namespace")


def test_a6_destruction_passes_the_same_gate(project: Project) -> None:
    """From a dirty tree, without an approval, and with one that was for something else."""
    project.write(MODULE, "replicas = 9\n")
    told = project.run(*_DESTROY, "--yes", *_ALLOW, code=REFUSED)
    assert "takes only a commit" in told
    project.git("checkout", "-q", ".")
    assert "needs an approval" in project.run(*_DESTROY, "--yes", *_ALLOW, code=REFUSED)
    project.preview()
    project.approve("--allow", "stack", "--allow", "namespace")
    told = project.run(*_DESTROY, "--approved", str(project.approval), code=REFUSED)
    assert "stale: operation: was up, is destroy" in told
    assert project.applied == 0


def test_a6_destruction_is_approved_as_a_change_is(project: Project) -> None:
    """And for its own scope, its own state, and no update."""
    out = ("--preview", "--out", str(project.changes))
    project.run(*_DESTROY, *out)
    assert "--allow stack" in project.approve(code=REFUSED)
    project.approve("--allow", "stack", "--allow", "namespace")
    assert "stale: operation: was destroy, is up" in project.up(code=REFUSED)
    with_less = ("destroy", "--stack", "production", "--approved", str(project.approval))
    told = project.run(*with_less, code=REFUSED)
    assert "stale: options: was --ignore-protect, is --exclude-protected" in told
    project.data(state={"resources": [{"urn": "theirs"}]})
    told = project.run(*_DESTROY, "--approved", str(project.approval), code=REFUSED)
    assert "stale: version of the state" in told
    project.data(state={})
    project.run(*_DESTROY, "--approved", str(project.approval))
    assert project.applied == 1
    assert (project.entry.kind, project.entry.trailers["Approved-by"]) == ("destroy", "ada")
    assert project.entry.trailers["Snapshot"]


def test_a6_rollback_passes_the_same_gate(project: Project) -> None:
    """What it takes from today's tree is committed too, and its approval is for it alone."""
    project.write("notes.md", "more")
    words = ("rollback", "--stack", "production", "--to", "HEAD", "--yes", *SKIP)
    assert "takes only a commit" in project.run(*words, code=REFUSED)
    (project.folder / "notes.md").unlink()
    assert "needs an approval" in project.run(*words, code=REFUSED)
    assert project.applied == 0


_A8 = {
    "moved": {"production": "https://api.elsewhere.example.com:6443"},
    "by an address": {"production": "https://10.0.0.1:6443"},
    "other port": {"production": "https://api.production.example.com:8443"},
}


@pytest.mark.parametrize("servers", _A8)
def test_a8_other_cluster_under_the_same_context_is_refused(project: Project, servers: str) -> None:
    """Its name is whatever somebody wrote into a kubeconfig."""
    project.preview()
    project.approve()
    contexts(project.folder.parent, **_A8[servers])
    told = project.up(code=REFUSED)
    assert "another cluster; correct the kubeconfig" in told
    assert "another cluster" in project.preview(code=REFUSED)
    told = project.run(*_DESTROY, "--preview", code=REFUSED)
    assert "another cluster" in told
    assert project.applied == 0


def test_a8_server_that_is_reached_is_bound_where_it_is_not_the_stack_files(
    project: Project,
) -> None:
    """A bastion is legitimate, and is still the same one for the preview and for the update."""
    bastion = "https://bastion.example.com:6443"
    old = "    apiServer:"
    project.replace("Pulumi.production.yaml", old, f"    server: {bastion}\n{old}")
    project.git("commit", "-qam", "by the bastion")
    contexts(project.folder.parent, production=bastion)
    project.preview()
    assert json.loads(project.changes.read_text())["snapshot"]["servers"]["kubernetes"] == bastion
    project.approve()
    contexts(project.folder.parent, production="https://api.production.example.com:6443")
    told = project.up(code=REFUSED)
    assert f"stale: server kubernetes: was {bastion}, is https://api.production" in told


def test_wave_passes_the_same_gate_before_its_first_stack(project: Project) -> None:
    """An edited fleet file, an approval that was edited, and one that is not signed."""
    words = {"skip_waves": True, "reason": "staging is away"}
    project.replace("fleet.yaml", "    approval: required\n", "")
    with pytest.raises(RefusedError, match="takes only a commit"):
        waves.run(waves_sample.options("production", yes=True, **words), project.folder)
    project.git("checkout", "-q", ".")
    project.preview()
    project.approve()
    folder = project.folder / "state"
    file = folder / "production.approval.json"
    document = json.loads(project.approval.read_text())
    for more, said in (({"by": "eve"}, "was changed after"), ({"signature": ""}, "not signed")):
        file.write_text(json.dumps({**document, **more}))
        with pytest.raises(RefusedError, match=said):
            waves.run(
                waves_sample.options("production", approved_dir=folder, **words), project.folder
            )
    assert project.applied == 0
