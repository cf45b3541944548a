"""What holds for every resource of a stack, chart objects included: a stack transform."""

from __future__ import annotations

from typing import Any

import pulumi

_WEBHOOK_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_SERVICE = "kubernetes:core/v1:Service"
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
_WAIT_FOR_CA = {"pulumi.com/waitFor": "jsonpath={.webhooks[0].clientConfig.caBundle}"}
_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
# Whose an object is, for policies, for drift and for whoever looks at it. Helm's own label on the
# objects of a rendered chart (`app.kubernetes.io/managed-by: Helm`) names no owner.
OWNER_LABEL = "linkerd-platform.io/owner"
# No object has this label, so no request is sent.
_NOBODY = {"matchLabels": {"linkerd-platform.io/webhook-answers": "true"}}


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
    if type_.endswith(_WEBHOOK_KINDS):
        return opened(props) if open_webhooks else annotated(props, _WAIT_FOR_CA)
    if type_ == _SERVICE:
        # The provider waits 10 s for endpoints to settle, four times one after another in a first
        # `up`; the Deployments behind them are awaited anyway.
        return annotated(props, _SKIP_AWAIT)
    return props


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


def annotated(props: Any, annotations: dict[str, str]) -> dict[str, Any]:
    """The object with these annotations for the provider.

    A webhook configuration waits until cainjector has given it a CA: before that the API server
    refuses what the webhook should look at, and the next custom resource of a first `up` fails.
    """
    metadata = dict(props["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return {**props, "metadata": metadata}


def opened(props: Any) -> dict[str, Any]:
    """A webhook configuration that looks at no object; its certificates stay as they are."""
    webhooks = [{**hook, "objectSelector": _NOBODY} for hook in props.get("webhooks") or []]
    return {**props, "webhooks": webhooks}
