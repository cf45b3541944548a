"""What holds for every resource of a stack, chart objects included: a stack transform."""

from __future__ import annotations

from typing import Any

import pulumi

from components.chart import WEBHOOK_KINDS, settled

_KEPT_TYPES = frozenset(
    {
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "vault:index/mount:Mount",
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "vault:transit/secretBackendKey:SecretBackendKey",
    }
)
_RELEASE = "kubernetes:helm.sh/v3:Release"
_CERTIFICATE = "kubernetes:cert-manager.io/v1:Certificate"
# Whose an object is, for policies, for drift and for whoever looks at it. Helm's own label on the
# objects of a rendered chart (`app.kubernetes.io/managed-by: Helm`) names no owner.
OWNER_LABEL = "linkerd-platform.io/owner"
# The label of objects that an opened webhook still looks at: those of a node that runs its pods
# (`sandbox.node`). No other has it, so no request is sent.
ANSWERED = {"linkerd-platform.io/webhook-answers": "true"}


def is_kept(type_: str, name: str) -> bool:
    """True for what a mistake must not delete: CRDs, their releases, Vault's mounts, all keys."""
    named = {_RELEASE: "-crds", _CERTIFICATE: "-origin"}.get(type_)
    return type_ in _KEPT_TYPES or (named is not None and name.endswith(named))


def register(*, protect: bool, open_webhooks: bool, owner: str) -> None:
    """Register the stack transform; before any resource is made.

    `protect` guards what `is_kept`; `open_webhooks` sends no request to any webhook, for a cluster
    whose pods never run; `owner` is the label that every Kubernetes object gets.
    """

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        props = transformed(args.type_, args.props, open_webhooks=open_webhooks)
        props = labelled(args.type_, props, owner)
        if protect and is_kept(args.type_, args.name):
            args.opts.protect = True
            args.opts.retain_on_delete = True
        elif props is args.props:
            return None
        return pulumi.ResourceTransformResult(props=props, opts=args.opts)

    pulumi.runtime.register_resource_transform(transform)


def transformed(type_: str, props: Any, *, open_webhooks: bool) -> Any:
    """What a resource of this type is made with; `props` itself where nothing changes."""
    if open_webhooks and type_.endswith(WEBHOOK_KINDS):
        return opened(props)
    return settled(type_, props)


def labelled(type_: str, props: Any, owner: str) -> Any:
    """The Kubernetes object with its owner's label; `props` itself for anything else.

    The label is on the object alone, never on pods: no workload restarts for it. What a Helm
    release holds is applied by Helm, whose labels say so.
    """
    if not type_.startswith("kubernetes:") or not {"apiVersion", "kind"} <= props.keys():
        return props
    if type_.endswith("Patch"):  # The object is somebody else's: our label would claim it.
        return props
    metadata = dict(props["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), OWNER_LABEL: owner}
    return {**props, "metadata": metadata}


def opened(props: Any) -> dict[str, Any]:
    """A webhook configuration that looks at no object; its certificates stay as they are."""
    webhooks = [
        {**hook, "objectSelector": {"matchLabels": ANSWERED}}
        for hook in props.get("webhooks") or []
    ]
    return {**props, "webhooks": webhooks}
