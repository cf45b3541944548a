"""The components in a program of somebody else: examples/standalone, and the distribution."""

from __future__ import annotations

import json
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pulumi
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import linkerd_platform
from components import trust
from components.alerts.component import AlertsArgs
from components.alerts.section import AlertsSection
from components.approval_signing import ApprovalSigningArgs
from components.base import Args, Component
from components.cert_manager import CertManagerSection
from components.cluster import ClusterSection
from components.dashboards.component import DashboardsArgs
from components.dashboards.section import DashboardsSection
from components.identity_issuer import IdentityIssuerArgs
from components.linkerd import LinkerdArgs, LinkerdSection
from components.monitors.component import MonitorsArgs
from components.monitors.section import MonitorsSection
from components.own_anchor import OwnAnchorArgs
from components.trust_anchor import TrustAnchorArgs
from components.vault import VaultSection
from components.vault_auth import VaultAuthArgs
from components.viz import VizArgs, VizSection
from components.webhook_certificates import WebhookCertificatesArgs
from schema.section import Section
from schema.values import Duration
from stack.listed import made_of
from tests.programs import ran
from tests.recorder import Recording, record
from tests.unit import distribution
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.every_component import COMPONENTS, STEMS
from tests.unit.test_requirements import pins

PROGRAM = distribution.EXAMPLE / "__main__.py"
MOST_LINES = 40
CHART = "kubernetes:helm.sh/v4:Chart"


def deployed(**config: str) -> Recording:
    """What the example registers with this config, on Pulumi's mocks."""

    def program() -> None:
        runpy.run_path(str(PROGRAM), run_name="__main__")

    return record(program, project="mesh", config=config)


@pytest.fixture(scope="module")
def example() -> Recording:
    """The example as it is."""
    return deployed(cluster="east")


def test_the_example_is_short_and_knows_the_package_alone() -> None:
    """Every line of glue is a line that each user writes again."""
    text = PROGRAM.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    imported = re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    assert imported == ["pulumi", "linkerd_platform"]


def test_the_example_brings_all_that_a_mesh_is_made_of(example: Recording) -> None:
    """Nothing of it comes from a stack of ours."""
    charts = {each.inputs["name"]: each.inputs["namespace"] for each in example.of_kind(CHART)}
    assert charts == {
        "cert-manager": "cert-manager",
        "trust-manager": "cert-manager",
        "linkerd-control-plane": "linkerd",
        "linkerd-viz": "linkerd-viz",
    }
    (crds,) = example.of_kind(":Release")
    assert crds.inputs["values"] == {"installGatewayAPI": True}
    for name in ("cert-manager", "trust-manager"):
        assert example.named(f"cert-manager-{name}").inputs["values"]["crds"]["enabled"] is True
    namespaces = {each.inputs["metadata"]["name"] for each in example.of_kind(":Namespace")}
    assert namespaces == set(charts.values())
    packages = {each.type.partition(":")[0] for each in example.resources}
    assert packages == {"kubernetes", "linkerd-platform"}


def test_each_chart_comes_from_its_own_repository_at_the_listed_version(
    example: Recording,
) -> None:
    """An archive in `.local` is there in a checkout of ours alone."""
    listed = distribution.PROJECT / "charts.yaml"
    for each in (*example.of_kind(CHART), *example.of_kind(":Release")):
        inputs = each.inputs
        assert inputs["chart"] == inputs["name"]
        assert f"version: {inputs['version']}\n" in listed.read_text(encoding="utf-8")
        assert inputs["repositoryOpts"]["repo"].startswith("https://")


def test_every_object_is_one_that_its_crd_allows(example: Recording) -> None:
    """The API server drops an unknown field in silence."""
    objects = [each for each in example.resources if "apiVersion" in each.inputs]
    customs = [each for each in objects if is_custom(each.inputs)]
    assert len(customs) > 10
    for each in customs:
        assert faults(each.inputs) == [], each.name


def test_each_part_comes_after_what_it_needs(example: Recording) -> None:
    """Without its namespace, its CRDs and its certificates a control plane does not start."""
    control_plane = example.named("linkerd-linkerd-control-plane")
    viz = example.named("viz-linkerd-viz")
    for later, earlier in (
        ("linkerd-namespace", "cert-manager-trust-manager"),
        ("linkerd-anchor-certificate", "linkerd-namespace"),
        ("linkerd-webhooks-issuer", "cert-manager-cert-manager"),
        ("viz-tap-k8s-tls", "viz-namespace"),
        ("viz-tap-k8s-tls", "linkerd-linkerd-control-plane"),
    ):
        assert example.comes_after(example.named(later), example.named(earlier)), later
    certificates = [each for each in example.of_kind(":Certificate") if each.name[:3] != "viz"]
    for each in (*certificates, *example.of_kind(":Bundle"), *example.of_kind(":Release")):
        assert example.comes_after(control_plane, each), each.name
    for each in example.of_kind(":Certificate"):
        assert example.comes_after(viz, each), each.name


def test_what_cannot_be_guessed_is_asked_for() -> None:
    """Two clusters of one name could not be told apart."""
    with pytest.raises(pulumi.config.ConfigMissingError, match="cluster"):
        deployed()


def test_one_setting_takes_every_chart_from_a_mirror() -> None:
    """Many clusters cannot reach the charts' own repositories."""
    recording = deployed(cluster="east", chartMirror="oci://registry.example/charts")
    charts = [*recording.of_kind(CHART), *recording.of_kind(":Release")]
    assert len(charts) == 5
    for each in charts:
        assert each.inputs["chart"] == f"oci://registry.example/charts/{each.inputs['name']}"


def text_of(value: object) -> object:
    """A default of a section as the arguments have it."""
    return value.go if isinstance(value, Duration) else value


@pytest.mark.parametrize(
    ("section", "args", "others"),
    [
        (LinkerdSection, LinkerdArgs, {}),
        (
            ClusterSection,
            LinkerdArgs,
            {"domain": "cluster_domain", "networks": "cluster_networks"},
        ),
        (trust.TrustSection, LinkerdArgs, {"domain": "trust_domain"}),
        (trust.Issuer, LinkerdArgs, {}),
        (trust.Issuer, OwnAnchorArgs, {}),
        (trust.Webhooks, WebhookCertificatesArgs, {}),
        (VizSection, VizArgs, {}),
        (VaultSection, TrustAnchorArgs, {}),
        (VaultSection, VaultAuthArgs, {"token_ttl": "seconds, not a text"}),
        (VaultSection, ApprovalSigningArgs, {"transit_mount": "mount"}),
        (trust.Issuer, IdentityIssuerArgs, {}),
        (MonitorsSection, MonitorsArgs, {}),
        (DashboardsSection, DashboardsArgs, {}),
        (AlertsSection, AlertsArgs, {"form": "off makes no component"}),
        (CertManagerSection, linkerd_platform.CertManagerArgs, {}),
    ],
)
def test_a_default_is_the_same_in_a_stack_file_and_in_a_program(
    section: type[Section], args: type[Args], others: dict[str, str]
) -> None:
    """What suits production does not depend on who writes it down."""
    compared = 0
    for name, field in section.model_fields.items():
        own = args.model_fields.get(others.get(name, name))
        if own is not None and not (field.is_required() or own.is_required()):
            assert text_of(field.default) == own.default, name
            compared += 1
    assert compared


def test_the_package_exports_every_component_and_all_that_its_arguments_are_made_of() -> None:
    """What cannot be imported by the package's own name will be imported by another."""
    exported = set(linkerd_platform.__all__) - {"__version__"}
    assert {each.__name__ for each in COMPONENTS.values()} <= exported

    for stem in STEMS:
        name = f"{COMPONENTS[stem].__name__}Args"
        assert {each.__name__ for each in made_of(getattr(linkerd_platform, name))} <= exported
    for name in exported:
        kind = getattr(linkerd_platform, name)
        assert issubclass(kind, Component | Args | Section), name


def test_what_the_distribution_needs_is_tested_here() -> None:
    """A version that no test has seen is a guess."""
    project = tomllib.loads((distribution.PROJECT / "pyproject.toml").read_text())["project"]
    tested = pins((distribution.PROJECT / "requirements.txt").read_text())
    for each in map(Requirement, project["dependencies"]):
        assert each.specifier.contains(tested[canonicalize_name(each.name)]), each


_LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import linkerd_platform as package
chart = package.VizArgs().chart
print(json.dumps({
    "version": package.__version__,
    "files": sorted({m.__file__ for n, m in sys.modules.items() if n.startswith("linkerd_pl")}),
    "others": sorted(
        {"bot", "components", "policies", "sandbox", "schema", "stack"} & set(sys.modules)
    ),
    "chart": [chart.version, chart.repository],
}))
"""


def test_the_installed_package_needs_no_checkout_and_no_name_that_others_use(
    tmp_path: Path,
) -> None:
    """A program with a folder `components` of its own would hide one that is called so."""
    site = distribution.installed(tmp_path / "made")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "components").mkdir(parents=True)
    (elsewhere / "components" / "__init__.py").touch()
    done = ran([sys.executable, "-c", _LOOK, str(site)], cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["version"] == linkerd_platform.__version__
    assert all(file.startswith(str(site)) for file in seen["files"])
    assert len(seen["files"]) > len(STEMS)
    assert seen["others"] == []
    here = VizArgs().chart
    assert seen["chart"] == [here.version, here.repository]
    assert {each.name for each in site.iterdir() if each.suffix != ".dist-info"} == {
        "linkerd_platform"
    }
