"""What holds for every resource of a stack, chart objects included: a stack transform."""

from __future__ import annotations

from typing import Any

import pulumi

_WEBHOOK_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_KEPT_TYPES = frozenset(
    {
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "vault:index/mount:Mount",
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
    }
)
_RELEASE = "kubernetes:helm.sh/v3:Release"
_WAIT_FOR_CA = {"pulumi.com/waitFor": "jsonpath={.webhooks[0].clientConfig.caBundle}"}
# No object has this label, so no request is sent.
_NOBODY = {"matchLabels": {"linkerd-platform.io/webhook-answers": "true"}}


def is_kept(type_: str, name: str) -> bool:
    """True for what a mistake must not delete: CRDs, their releases, Vault's mounts and roots."""
    return type_ in _KEPT_TYPES or (type_ == _RELEASE and name.endswith("-crds"))


def register(*, protect: bool, open_webhooks: bool) -> None:
    """Register the stack transform; before any resource is made.

    `protect` guards what `is_kept`; `open_webhooks` sends no request to any webhook, for a cluster
    whose pods never run.
    """

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if args.type_.endswith(_WEBHOOK_KINDS):
            props = opened(args.props) if open_webhooks else waiting(args.props)
            return pulumi.ResourceTransformResult(props=props, opts=args.opts)
        if protect and is_kept(args.type_, args.name):
            args.opts.protect = True
            args.opts.retain_on_delete = True
            return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)
        return None

    pulumi.runtime.register_resource_transform(transform)


def waiting(props: Any) -> dict[str, Any]:
    """A webhook configuration that is ready once cainjector has given it a CA.

    Until then the API server refuses what the webhook should look at: the next custom resource
    would fail on a first install.
    """
    metadata = dict(props["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **_WAIT_FOR_CA}
    return {**props, "metadata": metadata}


def opened(props: Any) -> dict[str, Any]:
    """A webhook configuration that looks at no object; its certificates stay as they are."""
    webhooks = [{**hook, "objectSelector": _NOBODY} for hook in props["webhooks"]]
    return {**props, "webhooks": webhooks}
