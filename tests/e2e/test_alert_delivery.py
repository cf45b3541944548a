"""Alerts of our rules through a real Alertmanager, as the runbook sets it up, to both receivers."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alert_routing import arguments as arguments_routing
from components.alert_routing.component import manifest
from components.alert_routing.routes import file
from components.alert_routing.routes.model import HeartbeatArgs
from schema.faults import PROJECT
from tests.e2e import real_alertmanager
from tests.e2e.real_alertmanager import Alertmanager, Receivers, alert, resolved, until
from tests.e2e.runbook import blocks
from tests.programs import ran
from tests.unit.alert_samples import RUNBOOKS
from tests.unit.routing_samples import routing
from tests.unit.stack_files import load, spoilt

pytestmark = pytest.mark.e2e
PAGE = "alert-routing.md"
DOWN, EXPIRING = "KubernetesApiServerDown", "LinkerdIssuerExpiring"


@dataclass(frozen=True)
class Setup:
    """What the tests talk to."""

    alertmanager: Alertmanager
    told: Receivers


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """The runbook's stack file as a file for an Alertmanager that hardly waits."""
    if reason := real_alertmanager.missing():
        pytest.skip(reason)
    with real_alertmanager.receivers() as told:
        text = config(tmp_path, told)
        with real_alertmanager.running(tmp_path, text) as alertmanager:
            yield Setup(alertmanager, told)


def declared() -> dict[str, Any]:
    """The section that the runbook writes."""
    (block,) = [each for each in blocks(PAGE) if each.heading == "Declare it" and
                each.language == "yaml"]  # fmt: skip
    found = yaml.safe_load(block.text)[f"{PROJECT}:observability"]
    assert isinstance(found, dict)
    return found


def config(folder: Path, told: Receivers) -> str:
    """Alertmanager's file from that section, its credentials beside it."""
    credentials = folder / "credentials"
    credentials.mkdir()
    (credentials / "mesh-slack").write_text(f"{told.address}/slack\n")
    (credentials / "mesh-on-call").write_text("key\n")
    section = declared()
    changes = {"form": "file", "credentialsFolder": str(credentials)}
    section["routing"] |= {**changes, "groupWait": "1s", "groupInterval": "5s"}
    section["routing"]["receivers"][1]["apiUrl"] = f"{told.address}/alert"
    stack = load(folder, spoilt({("observability",): section}))
    args = arguments_routing.arguments(stack)
    assert args is not None
    return str(manifest(args)["data"]["alertmanager.yaml"])


def test_a_critical_alert_of_production_calls_and_is_written(setup: Setup) -> None:
    """Cluster, namespace and runbook are what somebody at night begins with."""
    setup.alertmanager.post(alert(EXPIRING))
    until(lambda: setup.told.slack(EXPIRING) and setup.told.on_call(EXPIRING), "both receivers")
    (written,), (called,) = setup.told.slack(EXPIRING), setup.told.on_call(EXPIRING)
    page = f"{RUNBOOKS}/certificates.md#{EXPIRING.lower()}"
    (attachment,) = written["attachments"]
    assert written["channel"] == "#mesh-alerts"
    assert attachment["title"] == f"CRITICAL {EXPIRING} in one/linkerd (production)"
    assert attachment["title_link"] == page
    assert attachment["color"] == "danger"
    assert f"<{page}|Runbook>" in attachment["text"]
    for line in ("cluster: one", "environment: production", "namespace: linkerd",
                 "severity: critical"):  # fmt: skip
        assert f"\n{line}\n" in attachment["text"]
        assert f"\n{line}\n" in called["state_message"]
    assert "*The identity issuer ends in 1*" in attachment["text"]
    assert called["message_type"] == "CRITICAL"
    assert called["entity_display_name"] == attachment["title"]
    assert called["vo_annotate.u.Runbook"] == page
    assert f"Runbook: {page}" in called["state_message"]
    assert (called["cluster"], called["namespace"]) == ("one", "linkerd")
    assert (called["environment"], called["severity"]) == ("production", "critical")
    assert called["entity_id"]


def test_what_is_over_is_told_and_resolves_the_same_incident(setup: Setup) -> None:
    """With another entity_id the incident would stay open until somebody closes it."""
    fired = alert(EXPIRING)
    setup.alertmanager.post(fired)
    until(lambda: setup.told.on_call(EXPIRING), "the call")
    setup.alertmanager.post(resolved(fired))
    until(lambda: len(setup.told.on_call(EXPIRING)) > 1, "the recovery")
    until(lambda: len(setup.told.slack(EXPIRING)) > 1, "the message that it is over")
    first, last = setup.told.on_call(EXPIRING)
    assert (first["message_type"], last["message_type"]) == ("CRITICAL", "RECOVERY")
    assert first["entity_id"] == last["entity_id"]
    attachment = setup.told.slack(EXPIRING)[1]["attachments"][0]
    assert attachment["title"].startswith("Resolved: CRITICAL ")
    assert attachment["color"] == "good"


def test_severity_and_environment_say_who_is_told(setup: Setup) -> None:
    """Nobody is called for staging, or for a warning; what is for information is told to none."""
    setup.alertmanager.post(
        alert("LinkerdAuditHits", namespace="shop"),
        alert(EXPIRING, "staging", cluster="two"),
        alert("LinkerdLeafRefreshFailing", namespace="shop"),
        {**alert(EXPIRING), "labels": {"alertname": "Other", "severity": "critical",
                                       "cluster": "one"}},
    )  # fmt: skip
    until(lambda: len(setup.told.at("/slack")) == 2, "two messages")
    # A later one, which passes the same waits, comes after all that the first could bring.
    setup.alertmanager.post(alert("LinkerdInjectorFailOpen"))
    until(lambda: setup.told.on_call("LinkerdInjectorFailOpen"), "the later one")
    until(lambda: setup.told.slack("LinkerdInjectorFailOpen"), "the later one")
    titles = sorted(each["attachments"][0]["title"] for each in setup.told.at("/slack"))
    assert titles == [
        "CRITICAL LinkerdInjectorFailOpen in one/linkerd (production)",
        "CRITICAL LinkerdIssuerExpiring in two/linkerd (staging)",
        "WARNING LinkerdLeafRefreshFailing in one/shop (production)",
    ]
    assert len(setup.told.at("/alert/key/mesh")) == 1
    assert len(setup.told.arrived) == 4


def test_alerts_of_one_cause_are_one_message(setup: Setup) -> None:
    """Twelve workloads of a namespace are not twelve calls; another namespace is another."""
    names = [f"web-{index}" for index in range(12)]
    fired = [alert("LinkerdSuccessBurnFast", namespace="shop", workload=name) for name in names]
    setup.alertmanager.post(
        *fired, alert("LinkerdSuccessBurnFast", namespace="pay", workload="api")
    )
    until(lambda: len(setup.told.slack("LinkerdSuccessBurnFast")) >= 2, "both groups")
    found = {m["attachments"][0]["title"]: m for m in setup.told.slack("LinkerdSuccessBurnFast")}
    assert set(found) == {
        "CRITICAL LinkerdSuccessBurnFast in one/shop (production), 12 alerts",
        "CRITICAL LinkerdSuccessBurnFast in one/pay (production)",
    }
    text = next(m for t, m in found.items() if "shop" in t)["attachments"][0]["text"]
    # Ten are spelt out: Slack cuts what is longer, and nobody reads on.
    assert text.count("namespace: shop") == 10
    assert text.endswith("and 12 in all")
    until(lambda: len(setup.told.on_call("LinkerdSuccessBurnFast")) == 2, "two incidents")
    ids = {each["entity_id"] for each in setup.told.on_call("LinkerdSuccessBurnFast")}
    assert len(ids) == 2


def test_a_cluster_that_is_down_mutes_its_other_alerts_until_it_is_back(setup: Setup) -> None:
    """One call says it; those of another cluster still come."""
    down = alert(DOWN)
    setup.alertmanager.post(down)
    until(lambda: setup.told.on_call(DOWN), "the call for the cluster")
    setup.alertmanager.post(alert(EXPIRING), alert("LinkerdInjectorFailOpen"))
    setup.alertmanager.post(alert(EXPIRING, cluster="two"))
    until(lambda: setup.told.on_call(EXPIRING), "the other cluster's")
    states = setup.alertmanager.states()
    assert states[EXPIRING, "one"] == states["LinkerdInjectorFailOpen", "one"] == "suppressed"
    assert states[EXPIRING, "two"] == states[DOWN, "one"] == "active"
    assert [each["cluster"] for each in setup.told.on_call(EXPIRING)] == ["two"]
    assert setup.told.slack("LinkerdInjectorFailOpen") == []
    setup.alertmanager.post(resolved(down))
    until(lambda: setup.told.on_call("LinkerdInjectorFailOpen"), "what was muted")
    until(lambda: len(setup.told.on_call(EXPIRING)) == 2, "what was muted")


def test_the_worse_of_two_mutes_the_other_where_it_is_about_the_same(setup: Setup) -> None:
    """And an anchor that has ended mutes what follows, but only the one that signs."""
    worse, other = "LinkerdSuccessBurnFast", "LinkerdSuccessBurnSteady"
    expired = "LinkerdTrustAnchorExpired"
    setup.alertmanager.post(
        alert(worse, namespace="shop", workload="web"),
        alert(expired, cluster="signs", generation="anchor-1"),
        alert(expired, cluster="old", generation="anchor-0"),
    )
    until(lambda: len(setup.told.on_call(expired)) == 2, "the anchors")
    until(lambda: setup.told.on_call(worse), "the worse one")
    setup.alertmanager.post(
        alert(other, namespace="shop", workload="web"),
        alert(other, namespace="shop", workload="db", cluster="two"),
        alert(EXPIRING, cluster="signs"),
        alert(EXPIRING, cluster="old"),
    )
    until(lambda: setup.told.slack(other) and setup.told.on_call(EXPIRING), "what is not muted")
    states = setup.alertmanager.states()
    assert states[other, "one"] == states[EXPIRING, "signs"] == "suppressed"
    assert states[other, "two"] == states[EXPIRING, "old"] == "active"


def test_the_runbook_is_followed_from_a_trial_to_a_silence(setup: Setup) -> None:
    """As it is written, with the amtool that an operator has."""
    if shutil.which("amtool") is None:
        pytest.skip("amtool is not on PATH: it comes with Alertmanager")
    said = run(setup, "Try it")
    assert re.findall(r"^(critical|warning)$", said, re.MULTILINE) == ["critical", "warning"]
    assert "RoutingTest" in said.splitlines()[-1]
    until(lambda: setup.told.on_call("RoutingTest") and setup.told.slack("RoutingTest"), "it")
    (written,) = setup.told.slack("RoutingTest")
    assert "A test of the routing" in written["attachments"][0]["text"]
    assert written["attachments"][0]["title_link"].endswith(f"/{PAGE}")
    said = run(setup, "Planned work")
    assert "upgrade of the nodes" in said
    states = setup.alertmanager.states
    until(lambda: states()["RoutingTest", "staging"] == "suppressed", "the silence")


def run(setup: Setup, heading: str) -> str:
    """The commands of the page under a heading; what they printed."""
    scripts = [b.text for b in blocks(PAGE) if b.heading == heading and b.language == "sh"]
    assert scripts
    done = ran(
        ["bash", "-euo", "pipefail", "-c", "".join(scripts)],
        env={**os.environ, "ALERTMANAGER": setup.alertmanager.address}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_heartbeat_is_posted_again_and_again_and_to_nobody_else(tmp_path: Path) -> None:
    """A service that hears it once would call after its first interval."""
    if reason := real_alertmanager.missing():
        pytest.skip(reason)
    if real_alertmanager.version() < (0, 26, 0):
        pytest.skip("url_file of a webhook is there since Alertmanager 0.26")
    with real_alertmanager.receivers() as told:
        (tmp_path / "mesh-slack").write_text(f"{told.address}/slack")
        (tmp_path / "mesh-on-call").write_text("key")
        (tmp_path / "heartbeat.url").write_text(f"{told.address}/beat")
        beat = HeartbeatArgs(vault_path="a", vault_key="url", interval=3)
        args = routing(heartbeat=beat, unmatched=("mesh-slack",), group_wait="1s")
        text = file.as_text(file.content(args, str(tmp_path)))
        with real_alertmanager.running(tmp_path, text) as alertmanager:
            alertmanager.post(alert("LinkerdWatchdog"))
            until(lambda: len(told.at("/beat")) >= 3, "three posts")
        assert {each["status"] for each in told.at("/beat")} == {"firing"}
        assert {where for where, _ in told.arrived} == {"/beat"}
