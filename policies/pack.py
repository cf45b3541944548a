"""The policies in the form of pulumi-policy: what the engine hands over, and what it is told.

https://www.pulumi.com/docs/insights/policy/authoring/
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi_policy
from pulumi_policy.proxy import UnknownValueError

from policies.catalog import POLICIES, breaches_of
from policies.context import read
from policies.model import CheckedResource, Context, Options, Policy
from policies.values import UNKNOWN

_LEVELS = {
    "mandatory": pulumi_policy.EnforcementLevel.MANDATORY,
    "advisory": pulumi_policy.EnforcementLevel.ADVISORY,
}
Report = Callable[..., None]


def packed() -> list[pulumi_policy.Policy]:
    """Every policy, wrapped."""
    return [_stack_policy(p) if p.stack_check else _resource_policy(p) for p in POLICIES]


def _resource_policy(policy: Policy) -> pulumi_policy.ResourceValidationPolicy:
    def validate(args: pulumi_policy.ResourceValidationArgs, report: Report) -> None:
        subject = subject_of(args, custom=not _is_component(args))
        for breach in breaches_of(policy, [subject], context(_stack(args.urn))):
            report(breach.message)

    return pulumi_policy.ResourceValidationPolicy(
        name=policy.id,
        description=policy.description,
        enforcement_level=_LEVELS[policy.level],
        validate=validate,
    )


def _stack_policy(policy: Policy) -> pulumi_policy.StackValidationPolicy:
    def validate(args: pulumi_policy.StackValidationArgs, report: Report) -> None:
        subjects = [subject_of(each, custom=True) for each in args.resources]
        if subjects:
            for breach in breaches_of(policy, subjects, context(_stack(subjects[0].urn))):
                report(breach.message, breach.subject.urn or None)

    return pulumi_policy.StackValidationPolicy(
        name=policy.id,
        description=policy.description,
        enforcement_level=_LEVELS[policy.level],
        validate=validate,
    )


def subject_of(
    args: pulumi_policy.ResourceValidationArgs | pulumi_policy.PolicyResource, *, custom: bool
) -> CheckedResource:
    """A resource as the policies look at it. The engine tells no pack whether it is retained."""
    provider = args.provider.urn if args.provider else "" if custom else None
    return CheckedResource(
        urn=args.urn,
        type=args.resource_type,
        name=args.name,
        props=plain(args.props),
        options=Options(protect=bool(args.opts.protect), provider=provider),
        custom=custom,
    )


def plain(found: Any) -> Any:
    """A value without the engine's proxies: what is not known yet is marked, and never raises.

    pulumi-policy turns a policy that meets such a value into an advice; ours fails closed.
    """
    if isinstance(found, Mapping):
        return {key: _at(found, key) for key in found}
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        return [_at(found, number) for number in range(len(found))]
    return found


def _at(holder: Any, key: Any) -> Any:
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


@functools.cache
def context(stack: str) -> Context:
    """The context of a stack, read once."""
    return read(stack)


def _stack(urn: str) -> str:
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def _is_component(args: pulumi_policy.ResourceValidationArgs) -> bool:
    """True for a component, ours or a provider's: it has no provider."""
    type_ = args.resource_type
    ours = type_.startswith(("linkerd-platform:", "pulumi:pulumi:"))
    return bool(ours or type_.endswith("/v4:Chart"))
