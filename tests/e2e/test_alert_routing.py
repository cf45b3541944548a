"""The routing deployed by the engine: it applies, stays as it is, and says who is told no more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from components.alert_routing.component import CREDENTIALS
from sandbox import vault
from tests.e2e.delivery import Pipeline
from tests.e2e.sandbox_cluster import CORE, Cluster
from tests.e2e.test_alert_credentials import CRD, CRDS, NAMESPACE, OBJECT, established
from tests.e2e.test_alert_delivery import declared

pytestmark = pytest.mark.e2e
WEBHOOK, KEY = "https://slack.example.com/only-in-vault", "only-in-vault-too"


def test_the_routing_of_the_runbook_is_deployed_and_changed(pipeline: Pipeline) -> None:
    """As the page has it: then no change, no credential in the state, and a reviewer is told."""
    if not CRDS.is_dir():
        pytest.skip(f"no CRDs in {CRDS}: set CRDS_DIR")
    cluster = Cluster(pipeline.copy.settings)
    crds = (CRDS / "prometheus-operator-alertmanagerconfig.yaml").read_text()
    for document in filter(None, yaml.safe_load_all(crds)):
        cluster.apply(CRD, document)
    cluster.wait(f"{CRD}/alertmanagerconfigs.monitoring.coreos.com", established, seconds=60)
    cluster.apply(CORE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for path, entry in (("slack", {"url": WEBHOOK}), ("splunk-on-call", {"api_key": KEY})):
        place = f"/v1/linkerd/kv/data/alerting/{path}"
        vault.request(cluster.settings, "POST", place, {"data": entry})

    section = declared()
    # The cluster has no CRD for rules.
    section["alerts"]["form"] = "file"
    pipeline.configure({"observability": section})
    said = pipeline.up(0, "--yes")
    assert WEBHOOK not in said
    assert KEY not in said
    assert cluster.secret(NAMESPACE, CREDENTIALS, "mesh-slack") == WEBHOOK.encode()
    assert cluster.secret(NAMESPACE, CREDENTIALS, "mesh-on-call") == KEY.encode()
    made = cluster.get(f"{OBJECT}/linkerd-platform-routing")
    assert made is not None
    assert len(made["spec"]["receivers"]) == 4
    for flags in ((), ("--refresh",)):
        pipeline.must(0, "preview", "--stack", "sandbox", "--expect-no-changes", *flags)
    state = pipeline.pulumi("stack", "export", "--show-secrets")
    assert "linkerd-platform-routing" in state
    assert WEBHOOK not in state
    assert KEY not in state

    fewer: dict[str, Any] = declared()
    fewer["alerts"]["form"] = "file"
    fewer["routing"]["routes"][1]["to"] = ["mesh-slack"]
    fewer["routing"]["receivers"].pop()
    pipeline.configure({"observability": fewer})
    said = pipeline.must(0, "preview", "--stack", "sandbox")
    assert "critical to Splunk On-Call mesh in other environments" in said
