"""Stack files with every feature in them, and what the program makes of them."""

from __future__ import annotations

import copy
from typing import Any

from tests.unit import (
    egress_gateway_samples,
    ingress_samples,
    observability_effect,
    policy_effect,
    traffic_samples,
)
from tests.unit.custody import sections
from tests.unit.stack_files import write
from tests.unit.whole_program import Evaluated, evaluated_file, project

# What a key below them is changed in.
PLANS: dict[str, Any] = {
    "placement": {
        "tolerations": [
            {"key": "a"},
            {"key": "b", "value": "c", "effect": "NoExecute", "tolerationSeconds": 5},
        ]
    },
    "rollout": {
        "waves": [{"name": "a", "state": "on", "namespaces": [{"name": "shop"}, {"name": "third"}]}]
    },
    "workloads": {"namespaces": {"shop": {"accessLog": "json"}}},
    "observability": observability_effect.PLAN,
    "policy": policy_effect.PLAN,
    "traffic": traffic_samples.PLAN,
    "egress": egress_gateway_samples.EGRESS,
    "ingress": ingress_samples.INGRESS,
}
NEEDS = {
    "placement": ("placement",),
    "workloads": ("rollout", "workloads"),
    "rollout": ("rollout",),
    "egress": ("egress",),
    "traffic": ("rollout", "traffic"),
    "observability": ("rollout", "observability"),
    "policy": ("rollout", "policy"),
    "ingress": ("ingress",),
}
# Sections that a feature needs in a form of its own.
BESIDE = {"egress": egress_gateway_samples.BESIDE, "ingress": ingress_samples.BESIDE}


def base_sections(key: str) -> dict[str, Any]:
    """The stack file without the change, with what the key is below."""
    section = key.split(".")[0]
    plans = copy.deepcopy({name: PLANS[name] for name in NEEDS.get(section, ())})
    return {**sections("standalone", "added"), **plans, **copy.deepcopy(BESIDE.get(section, {}))}


def program(made: dict[str, Any]) -> Evaluated:
    """The program of these sections, previewed."""
    return evaluated_file(write(project(), made), True)
