"""A cluster in the middle of a rollout, for the tests of the rollout commands."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.mesh.rollout.model import Namespace, Pod, Proxy, RolloutState
from bot.mesh.trust.model import PodOwner
from components.rollout.component import INJECT, STATE_LABEL
from stack.config import StackConfig
from tests.unit.stack_files import KeyPath, load, spoilt

NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VERSION = "edge-26.4.1"
INJECTS = {"on": "enabled", "opt-out": "disabled"}


# The file that the plan of `config` is in; None for the stack file.
PLAN_FILE: str | None = None


def config(*waves: dict[str, Any], more: Mapping[KeyPath, Any] | None = None) -> StackConfig:
    """A stack config with these waves, called `w0` and so on."""
    named = [{"name": f"w{at}", **wave} for at, wave in enumerate(waves)]
    sections = spoilt({("rollout", "waves"): named, **(more or {})})
    with tempfile.TemporaryDirectory() as folder:
        if PLAN_FILE:
            (Path(folder) / PLAN_FILE).write_text(json.dumps(sections["rollout"]))
            sections["rollout"] = {"file": PLAN_FILE}
        return load(Path(folder), sections)


def namespace(name: str, state: str = "", *, hours: float = 100, **labels: str) -> Namespace:
    """A namespace as the program leaves it; hours: since its last change by us."""
    inject = INJECTS.get(state)
    return Namespace(
        name=name,
        labels={**({STATE_LABEL: state} if state else {}), **labels},
        annotations={INJECT: inject} if inject else {},
        state=state,
        since=NOW - hours * HOUR if state else None,
    )


def pod(
    place: str,
    name: str,
    *,
    meshed: bool = False,
    version: str = VERSION,
    policy: str = "all-unauthenticated",
    native: bool = True,
    kind: str = "Deployment",
    **more: Any,
) -> Pod:
    """A pod of a workload called like it, with a service account of its own."""
    values = {"account": name, **more}
    proxy = Proxy(version, policy, native) if meshed else None
    return Pod(place, f"{name}-1", PodOwner(place, kind, name), proxy, **values)


def seen(*found: Namespace | Pod, failures: Mapping[str, int] | None = None) -> RolloutState:
    """A cluster of these, whose control plane runs."""
    return RolloutState(
        now=NOW,
        namespaces={each.name: each for each in found if isinstance(each, Namespace)},
        pods=tuple(each for each in found if isinstance(each, Pod)),
        failures=failures or {},
        version=VERSION,
    )
