"""What happens to a request while a webhook of Linkerd's does not answer."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import CheckedResource, Context, holds
from policies.values import items, value

INJECTOR = "linkerd-proxy-injector-webhook-config"
_VALIDATORS = frozenset(
    {"linkerd-sp-validator-webhook-config", "linkerd-policy-validator-webhook-config"}
)
_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def webhook_failure_policy(subject: CheckedResource, context: Context) -> Iterator[str]:
    """As the stack file says; and `Fail` for the injector in production.

    With `Ignore` a pod that starts while the injector is away runs outside the mesh, in plain
    text, and nobody is told.
    """
    if not holds(lambda: subject.of_kind(*_KINDS), lambda: subject.named(INJECTOR, *_VALIDATORS)):
        return
    injector = subject.named(INJECTOR)
    for number in range(len(items(subject.props, "webhooks"))):
        # The API server's default is Fail.
        policy = value(subject.props, "webhooks", number, "failurePolicy") or "Fail"
        if policy != context.failure_policy:
            yield (
                f"webhooks[{number}].failurePolicy is {policy}, but the stack file says "
                f"{context.failure_policy}"
            )
        if context.production and injector and policy != "Fail":
            yield f"webhooks[{number}].failurePolicy is {policy}, but production needs Fail"
