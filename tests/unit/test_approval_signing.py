"""The key for approvals: it never leaves Vault, and who signs is not who verifies."""

from __future__ import annotations

import pytest

from components.approval_signing import ApprovalSigning, key_policy
from components.names import approver_policy, deployer_policy
from tests.recorder import Recording
from tests.unit.samples import made


@pytest.fixture(scope="module")
def recording() -> Recording:
    """As an owner stack has it."""
    return made(ApprovalSigning)


def test_the_key_never_leaves_vault(recording: Recording) -> None:
    """With it in a file, anybody could approve anything, and nobody could tell."""
    key = recording.named("x-key").inputs
    assert (key["type"], key["name"], key["backend"]) == (
        "ecdsa-p256",
        "approvals",
        "linkerd/transit",
    )
    assert not key["exportable"]
    assert not key["allowPlaintextBackup"]
    assert not key["deletionAllowed"]
    assert made(ApprovalSigning, deletable=True).named("x-key").inputs["deletionAllowed"]


def test_each_side_may_do_its_own_part_alone(recording: Recording) -> None:
    """A deployer that can sign approves what it applies."""
    policies = {r.inputs["name"]: r.inputs["policy"] for r in recording.of_kind(":Policy")}
    assert policies == {
        "linkerd-approver-linkerd.transit": key_policy("linkerd/transit", "sign"),
        "linkerd-deployer-linkerd.transit": key_policy("linkerd/transit", "verify"),
    }
    assert 'path "linkerd/transit/sign/approvals" {' in key_policy("linkerd/transit", "sign")


def test_two_fleets_in_one_vault_have_policies_of_their_own() -> None:
    """Vault overwrites a policy of the same name without a word."""
    names = {
        policy(m) for m in ("a/b", "a-b", "a_b") for policy in (approver_policy, deployer_policy)
    }
    assert len(names) == 6


def test_a_mount_that_is_there_already_is_not_made() -> None:
    """It is somebody else's; the key and the policies are ours."""
    other = made(ApprovalSigning, create_mount=False)
    assert not other.of_kind(":Mount")
    assert other.of_kind(":SecretBackendKey")


def test_the_key_comes_after_its_mount_and_before_its_policies(recording: Recording) -> None:
    """Vault has no such path before."""
    key = recording.named("x-key")
    assert recording.comes_after(key, recording.named("x-mount"))
    assert all(recording.comes_after(each, key) for each in recording.of_kind(":Policy"))
