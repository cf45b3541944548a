"""What happens to a pod while the injector does not answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.model import CheckedResource, Context
from policies.values import UNKNOWN
from tests.unit.policy_samples import PRODUCTION, STAGING, texts, thing

ID = "webhook-failure-policy"
INJECTOR = "linkerd-proxy-injector-webhook-config"
VALIDATOR = "linkerd-policy-validator-webhook-config"


def webhook(name: str, *policies: str | None) -> CheckedResource:
    """A webhook configuration with a webhook per policy."""
    kind = "MutatingWebhookConfiguration" if name == INJECTOR else "ValidatingWebhookConfiguration"
    hooks = [{} if policy is None else {"failurePolicy": policy} for policy in policies]
    return thing(kind, name, "", group="admissionregistration.k8s.io/v1", webhooks=hooks)


@pytest.mark.parametrize("context", [PRODUCTION, STAGING])
@pytest.mark.parametrize("name", [INJECTOR, VALIDATOR, "linkerd-sp-validator-webhook-config"])
def test_every_webhook_does_what_the_stack_file_says(name: str, context: Context) -> None:
    """A chart that ignores the value would be found only in an outage."""
    assert texts(ID, webhook(name, "Fail", None), context=context) == []
    found = texts(ID, webhook(name, "Fail", "Ignore"), context=context)
    assert found[0] == "webhooks[1].failurePolicy is Ignore, but the stack file says Fail"


def test_the_injector_fails_closed_in_production_whatever_the_file_says() -> None:
    """Else a pod starts outside the mesh, in plain text, and nobody is told."""
    lenient = replace(PRODUCTION, failure_policy="Ignore")
    assert texts(ID, webhook(INJECTOR, "Ignore"), context=lenient) == [
        "webhooks[0].failurePolicy is Ignore, but production needs Fail"
    ]
    assert texts(ID, webhook(VALIDATOR, "Ignore"), context=lenient) == []
    lenient = replace(STAGING, failure_policy="Ignore")
    assert texts(ID, webhook(INJECTOR, "Ignore"), context=lenient) == []


def test_a_policy_that_is_not_known_yet_is_a_breach() -> None:
    """It may be either."""
    assert "cannot be checked" in texts(ID, webhook(INJECTOR, UNKNOWN))[0]


def test_the_webhooks_of_others_are_theirs() -> None:
    """viz' tap injector must not stop a pod."""
    assert texts(ID, webhook("linkerd-tap-injector-webhook-config", "Ignore")) == []
    assert texts(ID, thing("ConfigMap", INJECTOR)) == []
