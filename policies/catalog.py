"""Every policy, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.availability import ha_anti_affinity, ha_disruption_budget, ha_replicas
from policies.images import image_pinned
from policies.keys import no_private_key
from policies.model import Breach, CheckedResource, Context, NotToldError, Policy
from policies.ownership import explicit_provider, not_ours_to_write, owner_label, sole_owner
from policies.protection import anchors_protected, crds_protected
from policies.webhooks import webhook_failure_policy

POLICIES: tuple[Policy, ...] = (
    Policy(
        "no-private-key",
        "mandatory",
        "No private key is an input or an output of a resource.",
        "let Vault or cert-manager create the key where it is used",
        no_private_key,
    ),
    Policy(
        "anchors-protected",
        "mandatory",
        "Trust anchors and the mounts that hold them are protected and retained.",
        "keep `protection.protect` on",
        anchors_protected,
    ),
    Policy(
        "crds-protected",
        "mandatory",
        "CRDs are protected and retained: deleting one deletes every object of its kind.",
        "keep `protection.protect` on",
        crds_protected,
    ),
    Policy(
        "image-pinned",
        "mandatory",
        "Every container's image has a digest, or a tag other than `latest`.",
        "name a version",
        image_pinned,
    ),
    Policy(
        "ha-replicas",
        "mandatory",
        "In production each Deployment of the control plane has three replicas.",
        "set `linkerd.replicas` to 3 or more",
        ha_replicas,
    ),
    Policy(
        "ha-anti-affinity",
        "mandatory",
        "In production no two pods of such a Deployment share a node.",
        "keep `linkerd.ha` on",
        ha_anti_affinity,
    ),
    Policy(
        "ha-disruption-budget",
        "mandatory",
        "In production a PodDisruptionBudget keeps each of them up during a drain.",
        "keep `linkerd.ha` on",
        stack_check=ha_disruption_budget,
    ),
    Policy(
        "webhook-failure-policy",
        "mandatory",
        "Linkerd's webhooks have the configured failure policy, and the injector's is Fail in "
        "production.",
        "set `linkerd.webhookFailurePolicy` to Fail, and override it nowhere else",
        webhook_failure_policy,
    ),
    Policy(
        "explicit-provider",
        "mandatory",
        "Every resource has an explicit provider of the program, never a default one.",
        "pass the provider through the component's options",
        explicit_provider,
    ),
    Policy(
        "owner-label",
        "mandatory",
        "Every Kubernetes object that the engine applies names its stack.",
        "create it below the stack transform (stack/transforms.py)",
        owner_label,
    ),
    Policy(
        "not-ours-to-write",
        "mandatory",
        "Only cert-manager and trust-manager write the issuer's Secret and the trust roots.",
        "leave it to its owner",
        not_ours_to_write,
    ),
    Policy(
        "sole-owner",
        "mandatory",
        "One Certificate writes the issuer's Secret, one Bundle the trust roots.",
        "remove the other one",
        stack_check=sole_owner,
    ),
)


def breaches(
    subjects: Sequence[CheckedResource], context: Context, *, whole: bool
) -> tuple[Breach, ...]:
    """What breaks a policy, in the order of the policies.

    whole: `subjects` is all of the stack, so that the policies about it as a whole are run as well.
    """
    return tuple(
        found
        for policy in POLICIES
        if policy.check or whole
        for found in breaches_of(policy, subjects, context)
    )


def breaches_of(
    policy: Policy, subjects: Sequence[CheckedResource], context: Context
) -> Iterator[Breach]:
    """What breaks one policy. A value that it needs and that is not told counts as a breach."""
    if policy.stack_check:
        try:
            for subject, text in policy.stack_check(subjects, context):
                yield Breach(policy, subject, text)
        except NotToldError as error:
            yield Breach(policy, _stack(context), str(error))
    for subject in subjects if policy.check else ():
        yield from _of_one(policy, subject, context)


def _of_one(policy: Policy, subject: CheckedResource, context: Context) -> Iterator[Breach]:
    if policy.check is None:
        return
    try:
        for text in policy.check(subject, context):
            yield Breach(policy, subject, text)
    except NotToldError as error:
        yield Breach(policy, subject, str(error))


def _stack(context: Context) -> CheckedResource:
    return CheckedResource("", "pulumi:pulumi:Stack", context.stack, {}, custom=False)
