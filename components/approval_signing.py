"""The key that approvals are signed with, inside Vault. Only an owner stack has this component."""

from __future__ import annotations

import pulumi
import pulumi_vault as vault
from pulumi_vault import transit

from components.base import Args, Component
from components.names import APPROVAL_KEY, approver_policy, deployer_policy
from components.vault import HasVault


class ApprovalSigningArgs(Args):
    """Mount of the transit engine, who makes it, and whether the key may be deleted.

    `engines` is the Vault namespace of the mount, below that of the provider.
    """

    mount: str = "linkerd/transit"
    create_mount: bool = True
    deletable: bool = False
    engines: str | None = None


class ApprovalSigning(Component, area="trust"):
    """A transit key that never leaves Vault, and a policy for each side of an approval.

    Who approves may sign, who deploys may verify, and neither may do the other's. The key is EC
    P-256, and Vault gives it out in no form.
    Follows https://developer.hashicorp.com/vault/docs/secrets/transit
    """

    def __init__(
        self, name: str, args: ApprovalSigningArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        mount: list[pulumi.Resource] = []
        if args.create_mount:
            mount.append(
                vault.Mount(
                    f"{name}-mount",
                    path=args.mount,
                    namespace=args.engines,
                    type="transit",
                    description="Signs approvals, made by linkerd-platform",
                    opts=self.child(),
                )
            )
        key = transit.SecretBackendKey(
            f"{name}-key",
            backend=args.mount,
            namespace=args.engines,
            name=APPROVAL_KEY,
            type="ecdsa-p256",
            exportable=False,
            allow_plaintext_backup=False,
            deletion_allowed=args.deletable,
            opts=self.child(*mount),
        )
        seen = f"{args.engines}/{args.mount}" if args.engines else args.mount
        for role, policy, right in (
            ("approver", approver_policy(seen), "sign"),
            ("deployer", deployer_policy(seen), "verify"),
        ):
            vault.Policy(
                f"{name}-{role}",
                name=policy,
                policy=key_policy(seen, right),
                opts=self.child(key),
            )
        self.done(
            key=f"{args.mount}/{APPROVAL_KEY}",
            policies=[approver_policy(seen), deployer_policy(seen)],
        )


def key_policy(mount: str, right: str) -> str:
    """The right to do one thing with the key, `sign` or `verify`, and nothing else.

    Follows https://developer.hashicorp.com/vault/api-docs/secret/transit#sign-data
    """
    return f'path "{mount}/{right}/{APPROVAL_KEY}" {{ capabilities = ["create", "update"] }}\n'


def arguments(config: HasVault, *, deletable: bool) -> ApprovalSigningArgs:
    """Arguments of the owner's `ApprovalSigning`."""
    return ApprovalSigningArgs(
        mount=config.vault.transit_mount,
        create_mount=config.vault.create_transit_mount,
        deletable=deletable,
        engines=config.vault.engines,
    )
