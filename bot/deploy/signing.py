"""Approvals signed by Vault's transit engine: who approves may sign, who deploys may verify.

The key is made by the owner stack (components/approval_signing.py) and never leaves Vault, so an
approval is as good as the policies that Vault gives, not as the place that its file lies in.
https://developer.hashicorp.com/vault/api-docs/secret/transit#sign-data
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from bot.clients import vault as vault_client
from bot.clients.https import Answer
from bot.clients.target import Target
from bot.deploy.approval import Approval
from bot.exit_codes import RefusedError
from components.names import APPROVAL_KEY, approver_policy, deployer_policy


def signed(target: Target, record: Approval) -> Approval:
    """The approval with Vault's signature; as it is where the stack file takes unsigned ones.

    Raises MissingToolError without a token, and Unreadable where Vault does not sign.
    """
    if target.config.approvals.unsigned:
        return record
    data = _asked(target, "sign", record, approver_policy)
    return record.model_copy(update={"signature": str(data.get("signature") or "")})


def refuse_unsigned(target: Target, record: Approval) -> None:
    """Raise RefusedError for an approval that is not signed, or not as it was signed.

    Raises MissingToolError without a token, and Unreadable where Vault does not tell.
    """
    if not record.signature:
        if target.config.approvals.unsigned:
            return
        raise RefusedError(
            f"the approval {record.id} by {record.by} is not signed: approve again with permission "
            f"to sign in Vault, or say `linkerd-platform:approvals: {{unsigned: true}}` in "
            f"Pulumi.{target.stack}.yaml"
        )
    data = _asked(target, "verify", record, deployer_policy, signature=record.signature)
    if data.get("valid") is not True:
        raise RefusedError(
            f"the approval {record.id} by {record.by} was changed after it was signed, or signed "
            "with another key: approve again"
        )


def _asked(
    target: Target, what: str, record: Approval, policy: Callable[[str], str], **more: str
) -> dict[str, Any]:
    mount = target.config.vault.transit_mount
    path = f"{mount}/{what}/{APPROVAL_KEY}"
    body = {"input": base64.b64encode(record.signed_content).decode(), **more}
    with vault_client.connected(target) as client:
        answer = client.request("POST", f"/v1/{path}", body)
        hint = _hint(path, answer, policy(target.config.vault.from_login(mount)))
        return dict(vault_client.checked(client, answer, hint)["data"] or {})


def _hint(path: str, answer: Answer, policy: str) -> str:
    if answer.status == 403:
        return f"{path} (needs the policy {policy})"
    if answer.status in (400, 404):
        return f"{path} (created by the owner stack: run `python -m bot up` for it first)"
    return path
