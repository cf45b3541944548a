"""Every key of a stack file changes something: none is read and then ignored."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import pytest

from stack.config import StackConfig
from stack.meant import all_paths
from tests.unit import observability_effect, policy_effect
from tests.unit.custody import sections
from tests.unit.every_component import collected
from tests.unit.every_feature import NEEDS, base_sections, program
from tests.unit.stack_files import certificate
from tests.unit.whole_program import Evaluated

# What each key is set to. Those of a feature are `EFFECTS` of its own tests.
CHANGES: dict[str, Any] = {
    "role": "cluster",
    "cluster.name": "other",
    "cluster.context": "other",
    "cluster.kubeconfig": "other",
    "cluster.apiServer": "https://other.example.com:6443",
    "cluster.caPem": certificate() + certificate(),
    "cluster.apiAudience": "other",
    "cluster.domain": "other.local",
    "cluster.helmNamespace": "helm-records",
    "cluster.adopted": True,
    "cluster.networks": ["10.0.0.0/8"],
    "cluster.ipv6": True,
    "vault.address": "https://other.example.com:8200",
    "vault.caPem": certificate(),
    "vault.namespace": "other",
    "vault.pkiMount": "other/pki",
    "vault.kvMount": "other/kv",
    "vault.createKvMount": False,
    "vault.transitMount": "other/transit",
    "vault.createTransitMount": False,
    "vault.authMount": "other",
    "vault.createAuthMount": False,
    "vault.audience": "other",
    "vault.tokenTtl": "20m",
    "vault.skipChildToken": True,
    "trust.domain": "other.local",
    "trust.signing": "b",
    "trust.generations.0.name": "c",
    "trust.generations.0.custody": "cluster",
    "trust.generations.0.source": "imported",
    "trust.generations.0.lifetime": "4000d",
    "trust.generations.1.custody": "vault",
    "trust.generations.1.source": "imported",
    "trust.generations.1.lifetime": "4000d",
    "trust.generations.1.retired": True,
    "trust.issuer.duration": "72h",
    "trust.issuer.renewBefore": "26h",
    "trust.issuer.leafLifetime": "12h",
    "trust.issuer.clockSkew": "30s",
    "trust.webhooks.caDuration": "400d",
    "trust.webhooks.caRenewBefore": "61d",
    "trust.webhooks.duration": "8d",
    "trust.webhooks.renewBefore": "2d",
    **policy_effect.CHANGES,
    **collected("EFFECTS"),
    **observability_effect.CHANGES,
    "protection.protect": False,
    "sandbox.openWebhooks": True,
    "sandbox.linkerd": False,
    "sandbox.charts": {"external-secrets": "0.20.4"},
}
END = ("Request", "Limit")
WEBHOOK = "kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration"
# What the user names, where a key is below it.
_NAMES = (
    r"(?<=namespaces\.)shop|(?<=charts\.)[a-z-]+|(?<=issuers\.)[a-z]+"
    r"|(?<=traffic\.services\.)[a-z]+/[a-z]+"
)
PROPS: dict[str, Any] = {"metadata": {"name": "w"}, "webhooks": [{"name": "a"}]}
# Found out in another way: read from a file, checked against an archive, or held by the engine.
ELSEWHERE = {
    **dict.fromkeys(policy_effect.ELSEWHERE, "test_arguments_policy.py"),
    **observability_effect.ELSEWHERE,
    **collected("ELSEWHERE"),
    "cluster.caFile": "test_load.py",
    "vault.caFile": "test_load.py",
    "vault.authNamespace": "test_public_reports_vault.py",
    "vault.policyNames": "test_public_reports_vault.py",
    "gatewayApi.version": "test_gateway_api.py",
    "gatewayApi.channel": "one_fault_ingress.py",
    "cluster.server": "test_attacks_gate.py",
    "environment": "test_attacks_gate.py",
    "approvals.unsigned": "test_attacks_proof.py",
    **dict.fromkeys(
        [
            *(
                f"rollout.waves.{key}"
                for key in ("name", "labels", "rest", "date", "soak", "owner")
            ),
            *("rollout.gates.successRate", "rollout.gates.latencyP95", "rollout.gates.window"),
            *("rollout.gates.restarts", "rollout.gates.injectorFailures"),
        ],
        "test_rollout_check.py",
    ),
    "rollout.file": "test_rollout_file.py",
    **{
        f"workloads.namespaces.<name>.overrides.<name>.{key}": "test_rollout_status.py"
        for key in (
            *("accessLog", "opaquePorts", "skipInboundPorts", "skipOutboundPorts", "proxyAwait"),
            *(f"proxyResources.{kind}{what}" for kind in ("cpu", "memory") for what in END),
        )
    },
    "buoyantCloud.credentials.source": "test_buoyant_cloud.py",
    "buoyantCloud.credentials.clientId": "test_buoyant_cloud.py",
    "buoyantCloud.credentials.clientSecret": "test_buoyant_cloud.py",
}


def changed(key: str, value: Any) -> dict[str, Any]:
    """The stack file of a standalone stack in the middle of a rotation, with one key set."""
    made = enabled(key)
    # The sample's lists are shared.
    made["trust"] = {
        **made["trust"],
        "generations": [dict(g) for g in made["trust"]["generations"]],
    }
    place: Any = made
    *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    for part in path:
        place = place[part] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    if key == "trust.generations.0.name":
        made["trust"]["signing"] = value
    return made


def enabled(key: str) -> dict[str, Any]:
    """The stack file without the change; a section that can be off is on."""
    made, section = base_sections(key), key.split(".")[0]
    if f"{section}.enabled" in CHANGES:
        made[section] = {**made.get(section, {}), "enabled": True}
    return made


@functools.cache
def base(section: str) -> Any:
    """What the program registers without the change."""
    return shown(program(enabled(section)))


def shown(made: Evaluated) -> Any:
    """All that the engine would see of a program."""
    resources = [
        (r.urn, r.inputs, r.protect, r.retain_on_delete, r.provider) for r in made.resources
    ]
    # A chart's objects are rendered by the provider; this stands for one.
    webhook = dataclasses.replace(made.resources[0], type=WEBHOOK, inputs=PROPS)
    transforms = made.evaluation.transformed(webhook).inputs
    return resources, transforms, made.clear


@pytest.mark.parametrize("key", CHANGES)
def test_a_key_changes_what_the_engine_sees(key: str) -> None:
    """Three public modules read inputs and drop them: users find out in an outage."""
    section = key.split(".")[0]
    known = section if section in NEEDS or f"{section}.enabled" in CHANGES else ""
    assert shown(program(changed(key, CHANGES[key]))) != base(known)


def test_the_comparison_can_say_that_nothing_changed() -> None:
    """One that always differs proves nothing."""
    assert shown(program(sections("standalone", "added"))) == base("")


def test_no_key_is_left_out() -> None:
    """A new key must not go untested."""
    leaves = {".".join(path) for path in all_paths(StackConfig) if not is_section(path)}
    named = {re.sub(r"\.\d\.", ".", re.sub(r"\.\d\.", ".", key)) for key in CHANGES}
    named = {re.sub(_NAMES, "<name>", key) for key in named}
    assert named | set(ELSEWHERE) == leaves
    assert not named & set(ELSEWHERE)


def is_section(path: tuple[str, ...]) -> bool:
    """True for a key with keys of its own."""
    return any(other[: len(path)] == path and other != path for other in all_paths(StackConfig))
