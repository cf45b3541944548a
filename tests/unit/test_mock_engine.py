"""The real program on the mock monitor: what it registers, and how it fails."""

from __future__ import annotations

import asyncio
import datetime
import sys
from pathlib import Path

import pulumi
import pytest

from bot import stacks
from bot.plan.mock.engine import Evaluation, evaluate, run_program
from bot.plan.mock.monitor import RecordingMonitor
from bot.text.hidden_values import SECRET, UNKNOWN
from schema.faults import ConfigError
from tests.unit.bot_project import PROJECT_DIR, project, stack_file

STACKS = ["production", "sandbox", "staging", "trust"]
# Components at the top, and resources in all; a component added or lost is meant to show here.
COUNTS = {
    "production": (11, 54),
    "sandbox": (12, 63),
    "staging": (11, 54),
    "trust": (2, 15),
}


@pytest.fixture(scope="module")
def evaluations() -> dict[tuple[str, bool], Evaluation]:
    """Every stack in both modes, one after another in one process."""
    return {
        (name, preview): evaluate(stacks.file_of(name), PROJECT_DIR, preview)
        for name in STACKS
        for preview in (True, False)
    }


def test_every_stack_file_has_its_counts() -> None:
    """A new stack file must not go untested."""
    assert stacks.names() == STACKS


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_registers_what_it_is_made_of(
    evaluations: dict[tuple[str, bool], Evaluation], name: str, preview: bool
) -> None:
    """The same resources whether it is previewed or applied: no `if preview` in the program."""
    resources = evaluations[name, preview].resources
    components = [r for r in resources if r.type.startswith("linkerd-platform:")]
    assert (len(components), len(resources)) == COUNTS[name]
    assert {r.urn for r in resources} == {r.urn for r in evaluations[name, not preview].resources}


@pytest.mark.parametrize("name", STACKS)
def test_a_preview_invents_no_fingerprint(
    evaluations: dict[tuple[str, bool], Evaluation], name: str
) -> None:
    """A made-up fingerprint in a plan could be taken for the trust anchor's."""
    anchors = evaluations[name, True].exports["trustAnchors"]
    assert anchors
    assert set(anchors.values()) == {UNKNOWN}


@pytest.mark.parametrize("name", STACKS)
def test_an_applied_stack_exports_a_certificate_read_back(
    evaluations: dict[tuple[str, bool], Evaluation], name: str
) -> None:
    """Only without preview do the program's own callbacks run."""
    for anchor in evaluations[name, False].exports["trustAnchors"].values():
        assert len(bytes.fromhex(anchor["fingerprint"])) == 32
        expiry = datetime.datetime.fromisoformat(anchor["expiry"])
        assert expiry > datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("name", ["production", "staging", "trust"])
def test_the_stack_transform_is_applied(
    evaluations: dict[tuple[str, bool], Evaluation], name: str
) -> None:
    """The SDK's mock monitor records transforms only: `protect` would be missing everywhere."""
    for resource in evaluations[name, True].resources:
        kept = resource.name.endswith("-crds") or resource.type.endswith(
            ("mount:Mount", ":SecretBackendRootCert", ":SecretBackendKey")
        )
        assert (resource.protect, resource.retain_on_delete) == (kept, kept), resource.urn


def test_protection_follows_the_stack_file(
    evaluations: dict[tuple[str, bool], Evaluation],
) -> None:
    """The sandbox must be able to leave nothing behind."""
    assert not any(r.protect for r in evaluations["sandbox", True].resources)


@pytest.mark.parametrize("name", STACKS)
def test_parents_providers_and_dependencies_are_resources_of_the_stack(
    evaluations: dict[tuple[str, bool], Evaluation], name: str
) -> None:
    """A reference that leads nowhere would be drawn nowhere."""
    resources = evaluations[name, True].resources
    urns = {r.urn for r in resources}
    for resource in resources:
        assert {resource.parent, resource.provider, *resource.dependencies} - {None} <= urns
        if resource.custom and not resource.type.startswith("pulumi:providers:"):
            assert resource.provider, f"{resource.urn} would use a default provider"


@pytest.mark.parametrize("name", STACKS)
def test_components_register_their_outputs(
    evaluations: dict[tuple[str, bool], Evaluation], name: str
) -> None:
    """A component that does not is left running, as far as the engine can tell."""
    for resource in evaluations[name, True].resources:
        if resource.type.startswith("linkerd-platform:"):
            assert resource.outputs_registered, resource.urn


def test_a_urn_is_the_engines(evaluations: dict[tuple[str, bool], Evaluation]) -> None:
    """The SDK's mock monitor puts the stack's type in, and leaves grandparents out."""
    urns = {r.urn for r in evaluations["trust", True].resources}
    assert (
        "urn:pulumi:trust::linkerd-platform::linkerd-platform:trust:TrustAnchor$vault:index/mount:"
        "Mount::trust-anchor-pki"
    ) in urns


def test_a_missing_ca_file_is_a_warning(tmp_path: Path) -> None:
    """Before the first `make sandbox` its files are not there, and its plan is of use already."""
    folder = project(tmp_path, sandbox=stack_file("sandbox"))
    evaluation = evaluate(folder / "Pulumi.sandbox.yaml", folder)
    ca_file = stack_file("sandbox")["config"]["linkerd-platform:cluster"]["caFile"]  # type: ignore[index]
    assert f"{ca_file} does not exist: replaced by a placeholder" in evaluation.warnings
    config = next(r for r in evaluation.resources if r.name == "vault-auth-config")
    assert config.inputs["kubernetesCaCert"] == f"[content of {Path(str(ca_file)).name}]"


def test_a_missing_archive_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan needs no charts; the engine does."""
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path / "empty"))
    folder = project(tmp_path / "project", staging=stack_file("staging"))
    evaluation = evaluate(folder / "Pulumi.staging.yaml", folder)
    missing = [w for w in evaluation.warnings if "linkerd-control-plane" in w]
    assert len(missing) == 1
    assert "make charts" in missing[0]


def test_faulty_config_registers_nothing(tmp_path: Path) -> None:
    """All faults at once, before any resource."""
    broken = stack_file("trust")
    broken["config"]["linkerd-platform:trust"] = {"generations": [], "signing": "nobody"}
    folder = project(tmp_path, trust=broken)
    with pytest.raises(ConfigError):
        evaluate(folder / "Pulumi.trust.yaml", folder)


class _Thing(pulumi.CustomResource):
    def __init__(self, name: str, **props: object) -> None:
        super().__init__("test:index:Thing", name, props)


def _twice() -> None:
    _Thing("x")
    _Thing("x")


def _exits() -> None:
    sys.exit(2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (lambda: [][0], IndexError),
        (
            lambda: _Thing("x", p=pulumi.Output.from_input(1).apply(lambda _: 1 / 0)),
            ZeroDivisionError,
        ),
        (_exits, SystemExit),
        (_twice, ValueError),
    ],
)
def test_what_a_program_raises_is_raised(body: object, error: type[BaseException]) -> None:
    """A swallowed error would show a plan of half a stack; the next program runs all the same."""
    with pytest.raises(error):
        run_program(body, RecordingMonitor(preview=True), "broken")  # type: ignore[arg-type]
    monitor = RecordingMonitor(preview=True)
    run_program(lambda: _Thing("after") and None, monitor, "next")
    assert [r.name for r in monitor.recorded.values()] == ["after"]


def test_secrets_and_unknowns_are_named_not_shown() -> None:
    """Inputs end up in a pull request."""

    def body() -> None:
        first = _Thing("first", password=pulumi.Output.secret("hunter2"))
        _Thing("second", nested={"id": first.id, "hidden": [pulumi.Output.secret("hunter2")]})

    monitor = RecordingMonitor(preview=True)
    run_program(body, monitor, "secrets")
    inputs = {r.name: r.inputs for r in monitor.recorded.values()}
    assert inputs["first"] == {"password": SECRET}
    assert inputs["second"] == {"nested": {"id": UNKNOWN, "hidden": [SECRET]}}


def test_an_evaluation_leaves_no_event_loop_behind() -> None:
    """What runs afterwards in the same process makes its own."""
    evaluate(stacks.file_of("trust"), PROJECT_DIR)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert pulumi.runtime.get_root_resource() is None
