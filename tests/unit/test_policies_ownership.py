"""Everything has one owner, and says which."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model import OWNER_LABEL, CheckedResource, Options
from policies.values import UNKNOWN
from stack import transforms
from tests.unit.policy_samples import subject, texts, thing

PROVIDER = "urn:pulumi:production::linkerd-platform::pulumi:providers:kubernetes::"
ISSUER = "linkerd-identity-issuer"
ROOTS = "linkerd-identity-trust-roots"
ID = "0a1b2c3d-0000-4000-8000-0123456789ab"


@pytest.mark.parametrize("ending", ["", f"::{ID}"])
def test_a_default_provider_is_found(ending: str) -> None:
    """Its settings are those of whoever runs the engine."""

    def made_by(name: str) -> CheckedResource:
        return subject(
            "vault:index/mount:Mount", options=Options(provider=f"{PROVIDER}{name}{ending}")
        )

    assert texts("explicit-provider", made_by("cluster")) == []
    for name in ("default", "default_4_34_2"):
        (text,) = texts("explicit-provider", made_by(name))
        assert name in text


def test_a_resource_without_a_provider_is_found() -> None:
    """The engine would give it the default one."""
    none = Options(provider="")
    assert texts("explicit-provider", subject("vault:index/mount:Mount", options=none))
    assert texts("explicit-provider", subject("pulumi:providers:vault", options=none)) == []
    component = CheckedResource("u", "linkerd-platform:mesh:Viz", "viz", {}, none, custom=False)
    assert texts("explicit-provider", component) == []
    # What nobody was told: the engine itself refuses a default provider there.
    assert texts("explicit-provider", subject("vault:index/mount:Mount")) == []


def test_the_label_is_the_one_of_the_transform() -> None:
    """Two names would mark nothing."""
    assert transforms.OWNER_LABEL == OWNER_LABEL


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}, {OWNER_LABEL: "staging"}])
def test_an_object_without_its_owner_is_found(labels: Any) -> None:
    """Drift cannot tell ours from others' without it."""
    assert texts("owner-label", thing("ConfigMap", labels=labels))
    assert texts("owner-label", thing("ConfigMap", labels={OWNER_LABEL: "production"})) == []


def test_a_label_that_is_not_known_yet_is_a_breach() -> None:
    """So is one that hides all labels."""
    for labels in (UNKNOWN, {OWNER_LABEL: UNKNOWN}):
        assert "cannot be checked" in texts("owner-label", thing("ConfigMap", labels=labels))[0]


def test_what_helm_or_vault_has_needs_no_label() -> None:
    """Helm marks its own objects, and a mount has no labels."""
    assert texts("owner-label", thing("ConfigMap", options=Options(released=True))) == []
    assert texts("owner-label", subject("vault:index/mount:Mount")) == []
    release = subject("kubernetes:helm.sh/v3:Release", chart="x", name="y")
    assert texts("owner-label", release) == []


@pytest.mark.parametrize(
    "written",
    [
        thing("Secret", ISSUER),
        thing("ConfigMap", ROOTS),
        thing("ExternalSecret", ISSUER, spec={}),
        thing("ExternalSecret", "x", spec={"target": {"name": ISSUER}}),
    ],
    ids=lambda each: f"{each.kind}-{each.name}",
)
def test_another_writer_is_found(written: CheckedResource) -> None:
    """Two writers undo each other until the mesh has no identity."""
    assert texts("not-ours-to-write", written)


def test_the_same_name_elsewhere_is_another_thing() -> None:
    """Namespaces are there for that."""
    for other in (
        thing("Secret", ISSUER, "cert-manager"),
        thing("ConfigMap", ISSUER),
        thing("Certificate", ISSUER, spec={"secretName": ISSUER}),
        thing("Bundle", ROOTS, ""),
        thing("ExternalSecret", ISSUER, spec={"target": {"name": "x"}}),
        subject("vault:index/mount:Mount", ISSUER),
    ):
        assert texts("not-ours-to-write", other) == []


def test_a_target_that_is_not_known_yet_is_a_breach() -> None:
    """It may be the issuer's."""
    spec = {"target": {"name": UNKNOWN}}
    (text,) = texts("not-ours-to-write", thing("ExternalSecret", "x", spec=spec))
    assert text.startswith("cannot be checked: spec.target.name ")


def test_a_second_certificate_for_the_issuers_secret_is_found() -> None:
    """cert-manager would re-issue it for each, over and over."""
    one = thing("Certificate", "a", spec={"secretName": ISSUER})
    two = thing("Certificate", "b", spec={"secretName": ISSUER})
    elsewhere = thing("Certificate", "c", "x", spec={"secretName": ISSUER})
    assert texts("sole-owner", one, elsewhere) == []
    (text,) = texts("sole-owner", one, elsewhere, two)
    assert text == f"is a second owner of Secret {ISSUER}, besides Certificate linkerd/a"


def test_a_second_bundle_for_the_trust_roots_is_found() -> None:
    """trust-manager names the ConfigMap after the Bundle."""
    bundle = thing("Bundle", ROOTS, "")
    assert texts("sole-owner", bundle) == []
    assert texts("sole-owner", bundle, bundle)
