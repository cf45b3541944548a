"""Approvals signed by Vault: who signs may not verify, and what was signed cannot be changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.clients.https import Unreadable
from bot.clients.target import Target
from bot.deploy import signing
from bot.deploy.approval import Approval
from bot.exit_codes import RefusedError
from stack.config import ApprovalsSection
from tests.unit.context import Context
from tests.unit.delivery_samples import (
    SIGN,
    VERIFY,
    Transit,
    approved,
    change,
    change_set,
    target,
)


@pytest.fixture
def where(tmp_path: Path) -> Target:
    return target(tmp_path)


def _record() -> Approval:
    return approved(change_set(change()))


def test_what_the_approver_signs_the_deployer_takes(
    where: Target, context: Context, tmp_path: Path
) -> None:
    """Each with its own token; the file lies somewhere in between."""
    approver = Transit(may=(SIGN,))
    context.vault(approver)
    record = signing.signed(where, _record())
    file = tmp_path / "approval.json"
    file.write_text(record.model_dump_json())
    with pytest.raises(Unreadable, match=r"needs the policy linkerd-deployer-linkerd\.transit"):
        signing.refuse_unsigned(where, record)
    context.vault(replace(approver, may=(VERIFY,)))
    signing.refuse_unsigned(where, Approval.model_validate_json(file.read_bytes()))
    with pytest.raises(Unreadable, match=r"needs the policy linkerd-approver-linkerd\.transit"):
        signing.signed(where, _record())


@pytest.mark.parametrize("name", sorted(set(Approval.model_fields) - {"signature", "format"}))
def test_signature_is_of_every_field(where: Target, context: Context, name: str) -> None:
    """A field that it leaves out can be changed by whoever carries the file."""
    context.vault(Transit())
    record = signing.signed(where, _record())
    other = approved(change_set(change(name="other")), hours=2)
    value = getattr(other, name)
    value = f"{value}x" if isinstance(value, str) else value or ("crd",)
    if value == getattr(record, name):  # of the same second
        value = other.expires_at
    changed = record.model_copy(update={name: value})
    with pytest.raises(RefusedError, match="was changed after it was signed"):
        signing.refuse_unsigned(where, changed)


def test_key_that_is_not_there_yet_names_the_owner_stack(where: Target, context: Context) -> None:
    """Before the owner's first deployment since approvals are signed."""
    context.vault(Transit(there=False))
    with pytest.raises(Unreadable, match="created by the owner stack"):
        signing.signed(where, _record())


def test_unsigned_is_taken_only_where_the_file_says_so_and_a_wrong_signature_never(
    where: Target, context: Context
) -> None:
    """One that has a signature says that it is signed."""
    context.vault(Transit())
    with pytest.raises(RefusedError, match=r"Pulumi\.trust\.yaml"):
        signing.refuse_unsigned(where, _record())
    config = where.config.model_copy(update={"approvals": ApprovalsSection(unsigned=True)})
    lenient = replace(where, config=config)
    assert signing.signed(lenient, _record()).signature == ""
    signing.refuse_unsigned(lenient, _record())
    forged = signing.signed(where, _record()).model_copy(update={"by": "eve"})
    with pytest.raises(RefusedError, match="was changed after it was signed"):
        signing.refuse_unsigned(lenient, forged)
