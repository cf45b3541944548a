"""`status --all` shows, per cluster, everything that ends, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli.dispatch import main
from bot.clients.target import Target
from bot.exit_codes import DONE, FAILED
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust import text as trust_text
from bot.mesh.trust.fleet import Gathered
from bot.mesh.trust.model import TrustState
from stack.fleet import Fleet
from tests.unit.bot_trust_samples import DAY, HOUR, NOW, authority, kept, seen
from tests.unit.test_bot_trust_fleet import config

WEBHOOKS = {
    "cert-manager/linkerd-webhook-ca": 300 * DAY,
    "linkerd/linkerd-proxy-injector-k8s-tls": 5 * DAY,
    "linkerd-viz/tap-k8s-tls": 90 * timedelta(minutes=1),
}


def cluster(name: str) -> TrustState:
    """A cluster with webhooks; each certificate ends at another time."""
    served = {
        place: authority(place, starts=NOW - HOUR, lifetime=left + HOUR).certificate
        for place, left in WEBHOOKS.items()
    }
    return replace(seen("a", "b", stack=name), served=served)


def fleet(**more: Any) -> Gathered:
    clusters = {name: cluster(name) for name in ("staging", "production")}
    both = config("a", "b", signing="a")
    return Gathered(
        {"trust": both, **dict.fromkeys(clusters, both)},
        "trust",
        clusters,
        kept=(kept("a"), kept("b")),
        **more,
    )


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have the command see this fleet."""

    def used(found: Gathered) -> None:
        asked: list[str] = []
        target = Target("trust", Path(), found.configs["trust"], None, {})

        def target_of(stack: str) -> Target:
            asked.append(stack)
            return target

        monkeypatch.setattr(trust_fleet, "the_fleet", lambda: Fleet.alone("trust"))
        monkeypatch.setattr(trust_fleet, "target_of", target_of)
        monkeypatch.setattr(trust_fleet, "gather", lambda _target: found)

    return used


def test_every_certificate_of_every_cluster_has_its_days_left(
    use: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody sees end is what ends at night: anchors, issuer, webhooks, per cluster."""
    use(fleet())
    assert main(["trust", "status", "--all", "--json"]) == DONE
    document = json.loads(capsys.readouterr().out)
    assert {each["stack"] for each in document["clusters"]} == {"staging", "production"}
    assert [each["generation"] for each in document["anchors"]] == ["a", "b"]
    assert all(each["certificate"]["daysLeft"] for each in document["anchors"])
    for each in document["clusters"]:
        assert [a["daysLeft"] for a in each["bundle"]["anchors"]] == [364.0, 364.0]
        assert each["issuer"]["daysLeft"] == pytest.approx(43 / 24, abs=0.01)
        left = {name: shown["daysLeft"] for name, shown in each["webhooks"].items()}
        assert left == {
            name: pytest.approx(span / DAY, abs=0.01) for name, span in WEBHOOKS.items()
        }


def test_people_see_the_same_tree_with_one_line_per_certificate(
    use: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that ends first stands out by its unit."""
    use(fleet())
    assert main(["trust", "status", "--all"]) == DONE
    text = capsys.readouterr().out
    for name in ("staging", "production"):
        part = text.split(f"cluster {name} (stack {name})")[1].split("\ncluster ")[0]
        rows = {line.split()[0]: line for line in part.splitlines() if " left  " in line}
        assert set(rows) == {
            "a", "b", "identity",
            "linkerd-webhook-ca", "linkerd-proxy-injector-k8s-tls", "tap-k8s-tls",
        }  # fmt: skip
        assert "5.0 d left" in rows["linkerd-proxy-injector-k8s-tls"]
        assert "90 min left" in rows["tap-k8s-tls"]
        assert "43.0 h left" in rows["identity"]
        assert "below a" in rows["identity"]


def test_an_ended_certificate_is_called_ended() -> None:
    """Zero days could be this evening."""
    late = {name: replace(each, now=NOW + 6 * DAY) for name, each in fleet().seen.items()}
    lines = trust_text.status_lines(replace(fleet(), seen=late))
    assert sum("ended, 0 s left" in line for line in lines) == 6
    assert all("ended" not in line for line in lines if "webhook-ca" in line)


def test_a_cluster_that_cannot_be_read_is_in_the_tree_and_in_the_exit_code(
    use: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is silent is not one that is well."""
    use(fleet(unread={"edge": "no answer"}))
    assert main(["trust", "status", "--all"]) == FAILED
    assert "not readable: edge: no answer" in capsys.readouterr().out
