"""What the API server refuses in the namespaces of the rollout: ValidatingAdmissionPolicies.

They run inside the API server, so nothing has to be up for them. They select namespaces by the
label that the rollout writes: where it is not, nothing is refused.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol

import pulumi
from pydantic import Field

from components.base import Args, Component, Manifest
from components.cluster import HasCluster, needs_a_cluster
from components.rollout.component import INJECT, MAY_OPT_OUT, STATE_LABEL
from schema.faults import Fault
from schema.section import Section

_API = "admissionregistration.k8s.io/v1"
OPT_OUT_POLICY = "linkerd-platform-no-opt-out"
ACCOUNT_POLICY = "linkerd-platform-own-service-account"
# Warn is read by whoever types `kubectl apply`, Audit by whoever reads the API server's log.
_ACTIONS = {"audit": ["Audit", "Warn"], "enforce": ["Deny", "Audit"]}
# Kubernetes' own types differ; `dyn` keeps the type checker from warning for each of them.
_TEMPLATE, _BEFORE = (
    f"{of}.kind == 'Pod' ? dyn({of}) : {of}.kind == 'CronJob' ? "
    f"dyn({of}).spec.jobTemplate.spec.template : dyn({of}).spec.template"
    for of in ("object", "oldObject")
)
# What broke a rule before it may be scaled, and stopped: only a new template is held to it.
_AS_BEFORE = "request.operation == 'UPDATE' && variables.before == variables.template"
_INJECT = (
    "has(variables.template.metadata) && has(variables.template.metadata.annotations) && "
    f"'{INJECT}' in variables.template.metadata.annotations ? "
    f"variables.template.metadata.annotations['{INJECT}'] : ''"
)
_ALLOWED = (
    "has(namespaceObject.metadata.annotations) && "
    f"'{MAY_OPT_OUT}' in namespaceObject.metadata.annotations ? "
    f"namespaceObject.metadata.annotations['{MAY_OPT_OUT}'].split(',') : []"
)
# `Kind/name` of the object and of its controller.
_SELF = "object.kind + '/' + (has(object.metadata.name) ? object.metadata.name : '')"
_OWNERS = (
    "has(object.metadata.ownerReferences) ? object.metadata.ownerReferences"
    ".map(o, o.kind + '/' + o.name) : []"
)
# A ReplicaSet is called after its Deployment and a hash, a Job after its CronJob and a time.
_MADE_BY = (
    "variables.owners.exists(o, o == w "
    "|| (w.startsWith('Deployment/') && o.matches('^ReplicaSet/' + w.substring(11) + "
    "'-[a-z0-9]+$')) "
    "|| (w.startsWith('CronJob/') && o.matches('^Job/' + w.substring(8) + '-[0-9]+$')))"
)


Guard = Literal["off", "audit", "enforce"]


class GuardsSection(Section):
    """What the API server itself refuses, or tells, in the namespaces of the rollout."""

    opt_out: Guard = Field(
        "off",
        description="Pods that opt out in a namespace whose wave is `on`, other than the workloads "
        "that the plan names. In quotes: `audit` tells, `enforce` refuses.",
    )
    own_service_account: Guard = Field(
        "off",
        description="Workloads that run as the service account `default` in a namespace whose "
        "wave is `opt-in` or `on`: others share that identity.",
    )


class HasGuards(Protocol):
    """A config with the section `guards`."""

    @property
    def guards(self) -> GuardsSection: ...  # noqa: D102


class AdmissionGuardArgs(GuardsSection, Args):
    """The section as it is: what is done about each kind of pod."""


class AdmissionGuard(Component, area="mesh"):
    """A policy and its binding for each rule that is on; `rules` tells which."""

    def __init__(
        self, name: str, args: AdmissionGuardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        rules = {}
        for rule, mode, made in (
            ("optOut", args.opt_out, opt_out(args.opt_out)),
            (
                "ownServiceAccount",
                args.own_service_account,
                own_service_account(args.own_service_account),
            ),
        ):
            if mode == "off":
                continue
            policy, binding = made
            first = self.apply(policy)
            self.apply(binding, first, name=f"{binding['metadata']['name']}-binding")
            rules[rule] = mode
        self.done(rules=rules)


def opt_out(mode: str) -> tuple[Manifest, Manifest]:
    """Refuses pods and templates with `linkerd.io/inject: disabled` where the wave is `on`.

    The workloads that the plan lets stay outside are written on the namespace. A pod carries its
    owner's name, which whoever can make bare pods can forge: this holds off mistakes.
    """
    allowed = f"w == variables.self || {_MADE_BY}"
    policy = _policy(
        OPT_OUT_POLICY,
        pods=True,
        variables={
            "inject": _INJECT,
            "allowed": _ALLOWED,
            "self": _SELF,
            "owners": _OWNERS,
        },
        expression=f"variables.inject != 'disabled' || variables.allowed.exists(w, {allowed})",
        message=(
            f"{INJECT}: disabled takes this workload out of the mesh, which the rollout of this "
            "namespace does not allow: remove the annotation, or have it added to the plan "
            "(rollout.waves, workloads.optOut)"
        ),
    )
    return policy, _binding(OPT_OUT_POLICY, mode, ("on",))


def own_service_account(mode: str) -> tuple[Manifest, Manifest]:
    """Refuses workloads that run as `default`, the account that all others without one share.

    Mesh identity is the service account: https://linkerd.io/2/features/automatic-mtls/
    """
    policy = _policy(
        ACCOUNT_POLICY,
        pods=False,
        variables={
            "account": "has(variables.template.spec.serviceAccountName) ? "
            "variables.template.spec.serviceAccountName : ''",
        },
        expression="!(variables.account in ['', 'default'])",
        message=(
            "this workload runs as the service account 'default', so the mesh cannot tell it from "
            "others: give it an account of its own (spec.serviceAccountName)"
        ),
    )
    return policy, _binding(ACCOUNT_POLICY, mode, ("on", "opt-in"))


def _policy(
    name: str, *, pods: bool, variables: dict[str, str], expression: str, message: str
) -> Manifest:
    rules: list[Manifest] = [
        _rule("apps", ["deployments", "statefulsets", "daemonsets"]),
        _rule("batch", ["jobs", "cronjobs"]),
    ]
    if pods:
        rules.append({**_rule("", ["pods"]), "operations": ["CREATE"]})
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        # A controller writes to the objects that are there already: it must not be refused.
        "matchConditions": [
            {
                "name": "new-or-changed",
                "expression": "request.operation == 'CREATE' || "
                "dyn(object).spec != dyn(oldObject).spec",
            }
        ],
        "variables": [
            {"name": key, "expression": text}
            for key, text in {"template": _TEMPLATE, "before": _BEFORE, **variables}.items()
        ],
        "validations": [
            {
                "expression": f"({_AS_BEFORE}) || ({expression})",
                "message": message,
                "reason": "Forbidden",
            }
        ],
    }
    metadata = {"name": name}
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata,
        "spec": spec,
    }


def _rule(group: str, resources: Sequence[str]) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": list(resources),
    }


def _binding(policy: str, mode: str, states: Sequence[str]) -> Manifest:
    selector = {
        "matchExpressions": [{"key": STATE_LABEL, "operator": "In", "values": list(states)}]
    }
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy},
        "spec": {
            "policyName": policy,
            "validationActions": _ACTIONS.get(mode, []),
            "matchResources": {"namespaceSelector": selector},
        },
    }


class _Config(HasGuards, HasCluster, Protocol):
    """The sections that the rules compare."""


def arguments(config: HasGuards) -> AdmissionGuardArgs | None:
    """Arguments of `AdmissionGuard`; None where both guards are off."""
    args = AdmissionGuardArgs(**config.guards.model_dump())
    return None if (args.opt_out, args.own_service_account) == ("off", "off") else args


def check(config: _Config) -> Iterator[Fault]:
    """All faults of `guards`."""
    yield from needs_a_cluster(config, {("guards",): arguments(config) is not None})
