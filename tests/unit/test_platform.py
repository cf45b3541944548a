"""The whole program for every real stack file, with preview on and off."""

from __future__ import annotations

import re

import pytest

from stack.transforms import is_kept
from tests.unit.crd_schemas import faults, is_custom
from tests.unit.stack_files import STACKS
from tests.unit.whole_program import CHART, CLUSTERS, MODES, OURS, RELEASE, Evaluated, evaluated

PROVIDER = "pulumi:providers:"


@pytest.fixture(params=[(s, m) for s in STACKS for m in MODES], ids=str)
def stack(request: pytest.FixtureRequest) -> Evaluated:
    """Every stack in both modes."""
    return evaluated(*request.param)


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Evaluated:
    """Every stack with a cluster, applied."""
    return evaluated(request.param, False)


def test_urns_are_unique(stack: Evaluated) -> None:
    """The engine fails in the middle of an update otherwise."""
    urns = [r.urn for r in stack.resources]
    assert len(urns) == len(set(urns)) > 5


def test_preview_and_apply_register_the_same() -> None:
    """A resource that a preview does not show is one that nobody reviewed."""
    for name in STACKS:
        preview, applied = (evaluated(name, mode) for mode in MODES)
        assert [r.urn for r in preview.resources] == [r.urn for r in applied.resources]
        options = [
            [(r.protect, r.dependencies, r.provider) for r in e.resources]
            for e in (preview, applied)
        ]
        assert options[0] == options[1]


def test_every_resource_has_an_explicit_provider(stack: Evaluated) -> None:
    """A default one would take whatever cluster or Vault the environment points to."""
    providers = {
        r.urn: r.type.removeprefix(PROVIDER) for r in stack.resources if PROVIDER in r.type
    }
    for resource in stack.resources:
        if resource.urn in providers or resource.type.startswith(OURS):
            continue
        assert resource.provider in providers, resource.name
        assert providers[resource.provider] == resource.type.split(":")[0]


def test_every_component_registers_outputs(stack: Evaluated) -> None:
    """Without them the engine never closes the component."""
    own = [r for r in stack.resources if r.type.startswith(OURS)]
    assert own
    for component in own:
        assert component.outputs_registered, component.name
        assert stack.outputs[component.urn], component.name


def test_what_is_kept_is_protected_where_the_stack_says_so(stack: Evaluated) -> None:
    """Only the sandbox may be thrown away."""
    protect = stack.evaluation.config.protection.protect
    assert protect == (stack.evaluation.stack != "sandbox")
    kept = [r for r in stack.resources if is_kept(r.type, r.name)]
    assert kept
    for resource in stack.resources:
        expected = protect and resource in kept
        assert resource.protect == expected, resource.name
        assert resource.retain_on_delete == expected, resource.name


def test_roots_and_their_mount_are_kept_by_the_owner() -> None:
    """The trust of every mesh hangs on them."""
    trust = evaluated("trust", False)
    names = {r.name for r in trust.resources if r.protect}
    anchor = {"trust-anchor-pki", "trust-anchor-kv", "trust-anchor-anchor-2026-root"}
    assert names == {*anchor, "approval-signing-mount", "approval-signing-key"}


def test_no_key_or_token_is_in_any_input(stack: Evaluated) -> None:
    """Inputs are in the state file, in the plan and in the bot's comments."""
    text = str((stack.clear, stack.outputs, stack.evaluation.exports))
    assert not re.search(r"PRIVATE KEY|\bkeyPEM\b|client_secret': '[^'\[]", text)
    assert not re.search(r"\b(hvs|s|b)\.[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{20,}", text)
    assert "tokenReviewerJwt" not in text


def test_every_custom_resource_is_what_its_crd_allows(stack: Evaluated) -> None:
    """The API server drops an unknown field in silence."""
    for resource, manifest in stack.objects:
        if is_custom(manifest):
            assert faults(manifest) == [], resource.name


def test_no_two_write_the_same_object(stack: Evaluated) -> None:
    """The last one to write wins, and each preview shows the other one's change."""
    keys = [
        (m["apiVersion"], m["kind"], m["metadata"].get("namespace"), m["metadata"]["name"])
        for _, m in stack.objects
    ]
    assert len(keys) == len(set(keys))


def test_every_secret_and_config_map_has_one_owner(cluster: Evaluated) -> None:
    """Two owners overwrite each other for ever."""
    owned: list[tuple[str, str]] = []
    for _, manifest in cluster.objects:
        namespace = manifest["metadata"].get("namespace", "linkerd")
        spec = manifest.get("spec", {})
        match manifest["kind"]:
            case "Secret" | "ConfigMap":
                owned.append((namespace, manifest["metadata"]["name"]))
            case "Certificate":
                owned.append((namespace, spec["secretName"]))
            case "ExternalSecret":
                owned.append((namespace, spec["target"]["name"]))
            case "Bundle":
                owned.append((namespace, manifest["metadata"]["name"]))
    assert len(owned) == len(set(owned)) > 8
    assert ("linkerd", "linkerd-identity-trust-roots") in owned
    assert ("linkerd", "linkerd-identity-issuer") in owned


def test_values_and_names_of_charts_are_known_at_plan_time(stack: Evaluated) -> None:
    """With one unknown a preview lists every object of the chart as deleted."""
    for resource in stack.resources:
        if resource.type in (CHART, RELEASE):
            assert "[known after apply]" not in str(resource.inputs), resource.name
            assert "[secret]" not in str(resource.inputs), resource.name
            assert "PEM" not in str(resource.inputs), resource.name


@pytest.mark.parametrize("name", ["staging", "production"])
def test_a_real_cluster_starts_with_no_workload_refused(name: str) -> None:
    """Enforcement comes in waves, each of them reviewed."""
    made = evaluated(name, False)
    values = made.named("linkerd-linkerd-control-plane").inputs["values"]
    assert values["proxy"]["defaultInboundPolicy"] == "all-unauthenticated"
    for _, manifest in made.objects:
        annotations = manifest["metadata"].get("annotations", {})
        assert annotations.get("linkerd.io/inject", "disabled") == "disabled"
        assert "config.linkerd.io/default-inbound-policy" not in annotations


@pytest.mark.parametrize("name", ["staging", "production"])
def test_a_real_cluster_is_ha(name: str) -> None:
    """One drained node must not stop admissions."""
    values = evaluated(name, False).named("linkerd-linkerd-control-plane").inputs["values"]
    assert values["controllerReplicas"] >= 3
    assert values["enablePodAntiAffinity"] is True
    assert values["webhookFailurePolicy"] == "Fail"


def test_clusters_trust_the_same_generations_as_their_owner_has() -> None:
    """A generation that only one of them lists is one that the other's peers refuse."""
    owner = evaluated("trust", True).evaluation.config
    names = {generation.name for generation in owner.trust.generations}
    for name in ("staging", "production"):
        config = evaluated(name, True).evaluation.config
        assert {generation.name for generation in config.trust.generations} <= names
        assert config.trust.domain == owner.trust.domain
        assert config.vault.address == owner.vault.address
        assert config.vault.pki_mount == owner.vault.pki_mount
        assert config.vault.kv_mount == owner.vault.kv_mount


@pytest.mark.parametrize("name", STACKS)
def test_the_anchor_is_made_by_owners_alone(name: str) -> None:
    """A cluster that makes its own would trust nobody else."""
    made = evaluated(name, False)
    owners = [r for r in made.resources if r.type.endswith(":TrustAnchor")]
    assert bool(owners) == (name in ("trust", "sandbox"))
    if name == "trust":
        assert not [r for r in made.resources if r.type.startswith("kubernetes:")]


@pytest.mark.parametrize("name", STACKS)
def test_allowances_of_the_sandbox_are_in_the_sandbox_alone(name: str) -> None:
    """A webhook that is open in production lets everything pass."""
    config = evaluated(name, True).evaluation.config
    assert config.sandbox.open_webhooks == (name == "sandbox")


def test_exports_name_anchor_charts_namespaces_and_issuer(cluster: Evaluated) -> None:
    """What comes after reads them: bot, runbooks, other stacks."""
    exports = cluster.evaluation.exports
    config = cluster.evaluation.config
    assert exports["role"] == config.role
    assert set(exports["trustAnchors"]) == {g.name for g in config.trust.generations}
    for anchor in exports["trustAnchors"].values():
        assert re.fullmatch(r"[0-9a-f]{64}", anchor["fingerprint"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", anchor["expiry"])
    assert exports["chartVersions"]["linkerd-control-plane"]
    namespaces = {m["metadata"]["name"] for _, m in cluster.objects if m["kind"] == "Namespace"}
    assert set(exports["namespaces"]) == namespaces
    issuer = cluster.object("ClusterIssuer", exports["identityIssuer"]["issuerRef"])
    assert issuer.inputs["kind"] == "ClusterIssuer"


def test_a_preview_makes_up_no_fingerprint() -> None:
    """Whoever compares it by eye would compare with nothing."""
    for name in STACKS:
        anchors = evaluated(name, True).evaluation.exports["trustAnchors"]
        assert set(anchors.values()) == {"[known after apply]"}


def test_providers_are_the_same_whoever_runs_the_program(cluster: Evaluated) -> None:
    """A path or token of one machine in the state is a change on the next."""
    (kubernetes,) = [r for r in cluster.resources if r.type == f"{PROVIDER}kubernetes"]
    config = cluster.evaluation.config
    assert config.cluster is not None
    assert kubernetes.inputs["clusterIdentifier"] == config.cluster.name
    for key in ("enableConfigMapMutable", "enableSecretMutable", "enableServerSideApply"):
        assert kubernetes.inputs[key] in (True, "true"), key
    (vault,) = [r for r in cluster.resources if r.type == f"{PROVIDER}vault"]
    assert "token" not in vault.inputs
    assert vault.inputs["skipTlsVerify"] in (False, "false")
    paths = re.findall(r"'(/(?:home|root|tmp|Users|var)/[^']*)'", str(cluster.clear))
    assert paths == []
