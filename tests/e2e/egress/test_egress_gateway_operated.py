"""The egress gateway in operation: what status tells of it, rotations, partners that come and go.

A proof shows the fault first, where that can be seen.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from pathlib import Path

import pytest

from bot import engine
from components.egress.packets import NETWORK_POLICY
from components.names import LINKERD_EGRESS_GATEWAY
from tests.e2e import egress_gateway
from tests.e2e.egress_gateway import (
    BANK,
    CART,
    CERTIFICATE,
    DESK,
    FRONT,
    KEY,
    LATER,
    NOBODY,
    PAY,
    POST,
    SCOPE,
    SERVICE,
    SHOP,
    OutwardGateway,
    identity,
    marked,
)
from tests.e2e.egress_partner import Seen
from tests.e2e.ingress_gateway import judged

pytestmark = pytest.mark.e2e


def test_status_tells_what_does_not_act_and_what_goes_round(gateway: OutwardGateway) -> None:
    """By the real command: all is well, then each thing that is broken by hand."""

    def told() -> dict[str, str]:
        found = judged(gateway.copy, "egress-gateway")
        return {name: state for name, (state, _) in found.items()}

    well = {"gateway": "ok", "partners": "ok", "ways-round": "ok"}
    gateway.until(lambda: told() == well, f"all is well: {judged(gateway.copy, 'egress-gateway')}")
    metadata = {"namespace": SHOP, "name": "open"}
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
    door = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
    try:
        gateway.objects.apply({**door, "spec": spec})
        with gateway.without("Backend", "post"):
            wrong = {"gateway": "ok", "partners": "fail", "ways-round": "fail"}
            gateway.until(lambda: told() == wrong, "each thing that is broken is told")
    finally:
        gateway.objects.delete(door)
    gateway.until(lambda: told() == well, "all is well again")


def test_what_the_gateway_shows_is_rotated_under_load(gateway: OutwardGateway) -> None:
    """As the runbook does it: written to Vault, and taken up without a refused request.

    A connection shows the certificate that it was made with, and lasts while there are requests:
    the program ends it after five minutes, the test after five seconds.
    """
    new = egress_gateway.client_certificate(gateway.outside.clients, "shop-2")
    old = egress_gateway.serial(gateway.entries[CERTIFICATE])
    fresh = {"credential": f"next-{time.time_ns()}-of-the-bank"}

    def newest() -> Seen:
        return gateway.outside.last("/rotated")

    # One at a time: a second one at once would make a connection, which is then used first.
    one = {"rps": 20, "connections": 1}
    with gateway.caller(CART).loading(f"http://{BANK}/rotated", **one) as load:
        gateway.until(lambda: bool(gateway.outside.at("/rotated")), "requests")
        gateway.keep(CERTIFICATE, **new)
        gateway.keep(KEY, **fresh)
        began = time.monotonic()
        for name in ("bank-client", "bank-credential"):
            gateway.refresh(name)
        gateway.until(
            lambda: newest().all("x-api-key") == [fresh["credential"]], "the new credential"
        )
        print(f"credential after {time.monotonic() - began:.1f} s")
        time.sleep(3)
        fresh_ones = gateway.outside.at("/rotated")[-20:]
        print(Counter(each.subject for each in fresh_ones))
        assert old in {each.serial for each in fresh_ones}
        was = gateway.connections("5s")
        gateway.until(
            lambda: (
                {each.serial for each in gateway.outside.at("/rotated")[-20:]}
                == {egress_gateway.serial(new)}
            ),
            "the new certificate alone",
        )
        print(f"certificate after {time.monotonic() - began:.1f} s")
        gateway.connections(was)
        time.sleep(2)
    report = load.report
    print(report.text())
    assert was == "300s"
    assert report.failed == 0, report.failures
    assert report.sent > 100


def test_partners_come_and_go_without_a_failure_of_another(gateway: OutwardGateway) -> None:
    """By the program, with requests to another partner the whole time."""
    section = gateway.sections["egress"]["gateway"]
    kept = list(section["partners"])
    later = egress_gateway.partner(LATER, NOBODY, ca=gateway.outside.authorities[LATER].pem)
    assert gateway.call(NOBODY, LATER).status == 403
    with gateway.caller(CART).loading(f"http://{BANK}/meanwhile", rps=20) as load:
        section["partners"] = [*kept, later]
        gateway.up()
        gateway.open(NOBODY, LATER, 180)
        assert gateway.call(CART, LATER, "/secret").status == 403
        section["partners"] = kept
        gateway.up()
        gateway.until(lambda: gateway.call(NOBODY, LATER).status == 403, "it is gone")
        assert gateway.call(NOBODY, SERVICE, headers={"Host": LATER}).status == 403
    report = load.report
    print(report.text())
    assert report.failed == 0, report.failures
    assert report.sent > 200


def test_the_log_tells_who_called_whom_and_no_token(gateway: OutwardGateway) -> None:
    """Also of those that were refused."""
    token = gateway.idp.token(scope=SCOPE, sub="anna")
    bearer = {"Authorization": f"Bearer {token}"}
    paths = {name: marked(name) for name in ("good", "refused", "poor", "second")}
    assert gateway.call(CART, PAY, f"{paths['good']}?token={token}", headers=bearer).status == 200
    assert gateway.call(FRONT, PAY, paths["refused"], headers=bearer).status == 403
    assert gateway.call(CART, PAY, paths["poor"]).status == 401
    assert gateway.call(FRONT, POST, paths["second"]).status == 200
    lines = {
        each["path"]: each
        for each in gateway.logged(lambda line: line["path"] in paths.values(), 4)
    }
    # After desk.orders, by the alphabet.
    assert lines[paths["second"]]["route"].split("/")[-2] == "1"
    good, refused = lines[paths["good"]], lines[paths["refused"]]
    assert (good["host"], good["response_code"], good["subject"]) == (PAY, 200, "anna")
    assert (good["client_id"], good["route"].split("/")[-2]) == (None, "0"), good
    assert (refused["host"], refused["response_code"]) == (PAY, 403)
    assert refused["client_id"] == identity(FRONT)
    assert lines[paths["poor"]]["response_code"] == 401
    whole = "".join(pod.log("envoy") for pod in gateway.pods)
    for part in token.split(".")[1:]:
        assert part not in whole


def test_packets_leave_from_the_gateway_alone(gateway: OutwardGateway) -> None:
    """Of a namespace of callers none has an address outside; the sandbox enforces none of it."""
    found = {}
    for namespace in (SHOP, DESK, LINKERD_EGRESS_GATEWAY):
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{NETWORK_POLICY}"
        answer = gateway.copy.api.request("GET", path)
        assert answer.ok, answer
        spec = answer.body["spec"]
        assert (spec["podSelector"], spec["policyTypes"]) == ({}, ["Egress"])
        found[namespace] = [
            (port["port"], peer["ipBlock"]["cidr"])
            for rule in spec["egress"]
            for port in rule.get("ports", ())
            for peer in rule["to"]
            if peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0")
        ]
    everywhere = [(443, "0.0.0.0/0"), (443, "::/0")]
    assert found == {SHOP: [], DESK: [], LINKERD_EGRESS_GATEWAY: everywhere}


def test_what_the_gateway_shows_is_written_down_nowhere(
    gateway: OutwardGateway, tmp_path: Path
) -> None:
    """Not in logs of any container, the state, a plan, a preview, or a comment of one.

    Last of all: by now there are two certificates and two credentials.
    """
    copy = gateway.copy
    changes = tmp_path / "changes.json"
    partners = gateway.sections["egress"]["gateway"]["partners"]
    kept = partners[0]["credential"]["vaultPath"]
    partners[0]["credential"]["vaultPath"] = f"{KEY}-other"
    egress_gateway.write(copy, gateway.sections)
    try:
        told = {
            "plan": copy.run("bot", "plan", "--stack", "sandbox"),
            "preview": copy.run("bot", "preview", "--stack", "sandbox", "--out", str(changes)),
            "comment": copy.run("bot", "comment", "--changes", str(changes)),
        }
    finally:
        partners[0]["credential"]["vaultPath"] = kept
        egress_gateway.write(copy, gateway.sections)
    texts = {name: done.stdout + done.stderr for name, done in told.items()}
    comments = sorted((copy.folder / ".local/comments").glob("*.md"))
    texts["comment"] += "".join(each.read_text() for each in comments)
    for name, text in texts.items():
        assert "bank" in text, (name, told[name].returncode, text)
    texts["changes"] = changes.read_text()
    words = ("stack", "export", "--show-secrets", "--stack", "sandbox")
    texts["state"] = engine.short(copy.engine, copy.target, *words)
    assert "bank-credential" in texts["state"]
    folders = (gateway.node.folder / "pods", copy.folder / ".sandbox/log")
    logs = {
        str(file): file.read_text(errors="replace")
        for folder in folders
        for file in folder.rglob("*.log")
        if not file.is_symlink()
    }
    for name in ("envoy", "linkerd-proxy", "envoy-gateway"):
        assert any(Path(each).stem == name for each in logs), (name, list(logs))
    assert any("external-secrets" in each for each in logs), list(logs)
    texts |= logs
    hidden = gateway.hidden()
    assert len(hidden) > 20
    found = [name for name, text in texts.items() if any(each in text for each in hidden)]
    assert found == []
    # And it is what the Secrets have, so what was looked for is right.
    secret = gateway.node.objects.data("secrets", LINKERD_EGRESS_GATEWAY, "bank-credential")
    assert secret
    assert base64.b64decode(secret["credential"]).decode() in hidden
