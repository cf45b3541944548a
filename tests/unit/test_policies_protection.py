"""What cannot be made again is protected, and stays when its resource goes."""

from __future__ import annotations

import pytest

from policies.model import CheckedResource, Options
from stack.transforms import is_kept
from tests.unit.policy_samples import PRODUCTION, SANDBOX, STAGING, subject, texts, thing
from tests.unit.stack_files import STACKS
from tests.unit.whole_program import MODES, evaluated

ANCHORS, CRDS = "anchors-protected", "crds-protected"
KEPT = Options(protect=True, retain=True)
BARE = Options(protect=False, retain=False)
FOUND = [
    (ANCHORS, "vault:index/mount:Mount", "pki"),
    (ANCHORS, "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert", "root"),
    (ANCHORS, "kubernetes:cert-manager.io/v1:Certificate", "cluster-anchor-a-origin"),
    (CRDS, "kubernetes:helm.sh/v3:Release", "linkerd-linkerd-crds"),
    (CRDS, "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "crd"),
]


@pytest.mark.parametrize(("policy", "type_", "name"), FOUND)
def test_it_must_be_protected_and_retained(policy: str, type_: str, name: str) -> None:
    """Each guards against another hand: the engine's, and `--target` with `unprotect`."""
    for context in (PRODUCTION, STAGING):
        assert texts(policy, subject(type_, name, KEPT), context=context) == []
        half = Options(protect=True, retain=False)
        assert texts(policy, subject(type_, name, half), context=context) == [
            "is deleted with its resource"
        ]
        assert texts(policy, subject(type_, name, BARE), context=context) == [
            "is not protected",
            "is deleted with its resource",
        ]


@pytest.mark.parametrize(("policy", "type_", "name"), FOUND)
def test_a_sandbox_leaves_nothing_behind(policy: str, type_: str, name: str) -> None:
    """Nothing in it is worth keeping."""
    assert texts(policy, subject(type_, name, BARE), context=SANDBOX) == []


def test_what_the_engine_does_not_tell_is_not_guessed() -> None:
    """A policy pack is not told whether a resource is retained."""
    told = Options(protect=True)
    for policy, type_, name in FOUND:
        assert texts(policy, subject(type_, name, told)) == []


def test_a_crd_within_a_release_goes_with_the_release() -> None:
    """Its protection is that of the release."""
    inside = thing("CustomResourceDefinition", group="apiextensions.k8s.io/v1",
                   options=Options(protect=False, released=True))  # fmt: skip
    assert texts(CRDS, inside) == []


@pytest.mark.parametrize("preview", MODES)
@pytest.mark.parametrize("stack", STACKS)
def test_it_asks_for_what_the_transform_protects(stack: str, preview: bool) -> None:
    """Written twice on purpose: a policy that reads the transform's list would share its fault."""
    for resource in evaluated(stack, preview).resources:
        given = CheckedResource(resource.urn, resource.type, resource.name, resource.inputs, BARE)
        found = texts(ANCHORS, given) + texts(CRDS, given)
        assert bool(found) is is_kept(resource.type, resource.name), resource.urn
