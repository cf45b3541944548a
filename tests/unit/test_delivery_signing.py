"""Approvals signed by Vault: who signs may not verify, and what was signed cannot be changed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bot.clients.https import Answer, Client, Unreadable
from bot.clients.target import Target
from bot.deploy import signing
from bot.deploy.approval import Approval
from bot.exit_codes import RefusedError
from stack.config import Approvals
from tests.unit.delivery_samples import approved, change, change_set, target

_SIGN, _VERIFY = "/v1/linkerd/transit/sign/approvals", "/v1/linkerd/transit/verify/approvals"
_HASH = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Transit(Client):
    """Vault's transit engine with one key; may: the paths that the token's policies allow."""

    base: str = "https://vault.example.com"
    ca_file: Path = Path()
    may: tuple[str, ...] = (_SIGN, _VERIFY)
    there: bool = True
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def request(self, method: str, path: str, body: Any = None, **_more: Any) -> Answer:
        if path not in self.may:
            return Answer(403, {"errors": ["permission denied"]})
        if not self.there:
            return Answer(404, {"errors": []})
        content = base64.b64decode(body["input"], validate=True)
        assert method == "POST"
        if path == _SIGN:
            made = base64.b64encode(self.key.sign(content, _HASH)).decode()
            return Answer(200, {"data": {"signature": f"vault:v1:{made}"}})
        given = base64.b64decode(body["signature"].rpartition(":")[2])
        try:
            self.key.public_key().verify(given, content, _HASH)
        except InvalidSignature:
            return Answer(200, {"data": {"valid": False}})
        return Answer(200, {"data": {"valid": True}})


@pytest.fixture
def where(tmp_path: Path) -> Target:
    return target(tmp_path)


def _use(monkeypatch: pytest.MonkeyPatch, transit: Transit) -> None:
    @contextmanager
    def vault(_target: Target) -> Iterator[Client]:
        yield transit

    monkeypatch.setattr(signing, "vault", vault)


def _record() -> Approval:
    return approved(change_set(change()))


def test_what_the_approver_signs_the_deployer_takes(
    where: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each with its own token; the file lies somewhere in between."""
    approver = Transit(may=(_SIGN,))
    _use(monkeypatch, approver)
    record = signing.signed(where, _record())
    file = tmp_path / "approval.json"
    file.write_text(record.model_dump_json())
    with pytest.raises(Unreadable, match=r"needs the policy linkerd-deployer-linkerd\.transit"):
        signing.refuse_unsigned(where, record)
    _use(monkeypatch, replace(approver, may=(_VERIFY,)))
    signing.refuse_unsigned(where, Approval.model_validate_json(file.read_bytes()))
    with pytest.raises(Unreadable, match=r"needs the policy linkerd-approver-linkerd\.transit"):
        signing.signed(where, _record())


@pytest.mark.parametrize("name", sorted(set(Approval.model_fields) - {"signature", "format"}))
def test_signature_is_of_every_field(
    where: Target, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A field that it leaves out can be changed by whoever carries the file."""
    _use(monkeypatch, Transit())
    record = signing.signed(where, _record())
    other = approved(change_set(change(name="other")), hours=2)
    value = getattr(other, name)
    value = f"{value}x" if isinstance(value, str) else value or ("crd",)
    if value == getattr(record, name):  # of the same second
        value = other.expires_at
    changed = record.model_copy(update={name: value})
    with pytest.raises(RefusedError, match="was changed after it was signed"):
        signing.refuse_unsigned(where, changed)


def test_key_that_is_not_there_yet_names_the_owner_stack(
    where: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the owner's first deployment since approvals are signed."""
    _use(monkeypatch, Transit(there=False))
    with pytest.raises(Unreadable, match="made by the owner stack"):
        signing.signed(where, _record())


def test_unsigned_is_taken_only_where_the_file_says_so_and_a_wrong_signature_never(
    where: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has a signature says that it is signed."""
    _use(monkeypatch, Transit())
    with pytest.raises(RefusedError, match=r"Pulumi\.trust\.yaml"):
        signing.refuse_unsigned(where, _record())
    config = where.config.model_copy(update={"approvals": Approvals(unsigned=True)})
    lenient = replace(where, config=config)
    assert signing.signed(lenient, _record()).signature == ""
    signing.refuse_unsigned(lenient, _record())
    forged = signing.signed(where, _record()).model_copy(update={"by": "eve"})
    with pytest.raises(RefusedError, match="was changed after it was signed"):
        signing.refuse_unsigned(lenient, forged)
