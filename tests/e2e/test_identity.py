"""Linkerd's own identity service issues from what the program deploys, and follows each renewal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from components.names import LINKERD
from tests.e2e import identity_process
from tests.e2e.checker import Checker
from tests.e2e.identity_grpc import Refused
from tests.e2e.identity_process import AUDIENCE, IdentityProcess, account, token
from tests.e2e.leaves import NAMESPACE, identity_of, request
from tests.e2e.trust_mesh import LEAF_SECONDS, SKEW_SECONDS, TrustMesh

pytestmark = pytest.mark.e2e
_PODS = f"/api/v1/namespaces/{LINKERD}/pods?labelSelector=linkerd.io/control-plane-component="
_STACK = ("--stack", "sandbox")


@pytest.fixture
def watched(trust_mesh: TrustMesh) -> Iterator[tuple[TrustMesh, Checker]]:
    """A mesh whose leaves come from Linkerd's own program; skipped, with the reason, without it."""
    reason = identity_process.missing()
    if reason:
        pytest.skip(f"the checker signs instead of linkerd-identity: {reason}")
    _restart_control_plane(trust_mesh)
    with trust_mesh.watch() as checker:
        yield trust_mesh, checker


def _restart_control_plane(mesh: TrustMesh) -> None:
    """Another test may have added a generation, for which no pod has restarted yet."""
    pods = f"/api/v1/namespaces/{LINKERD}/pods"

    def running() -> set[str]:
        items = mesh.copy.api.request("GET", pods).body["items"]
        live = [each for each in items if "deletionTimestamp" not in each["metadata"]]
        return {p["metadata"]["uid"] for p in live if p["status"].get("phase") == "Running"}

    old = running()
    mesh.copy.api.request("DELETE", pods)
    mesh.wait("new pods", lambda: len(running() - old) >= len(old), 120)


def _processes(checker: Checker) -> list[IdentityProcess]:
    return [each for each in checker.identities if isinstance(each, IdentityProcess)]


@contextmanager
def _metrics(mesh: TrustMesh, checker: Checker) -> Iterator[dict[str, str]]:
    """Each identity pod of the cluster is one of the processes; their names, by pod."""
    answer: Any = mesh.copy.api.request("GET", f"{_PODS}identity")
    processes, routes, names = _processes(checker), {}, {}
    for at, pod in enumerate(answer.body["items"]):
        process = processes[at % len(processes)]
        routes[f"{pod['status']['podIP']}:9990"] = int(process.admin.rpartition(":")[2])
        names[f"{LINKERD}/{pod['metadata']['name']}"] = process.name
    file = mesh.copy.settings.pod_routes
    file.write_text(json.dumps(routes))
    try:
        yield names
    finally:
        file.unlink()


def test_linkerd_identity_issues_leaves_that_every_bundle_takes(
    watched: tuple[TrustMesh, Checker],
) -> None:
    """The chart's own arguments and account: what is issued is what a proxy would be given."""
    mesh, checker = watched
    mesh.wait("leaves", lambda: checker.leaves > 2 * len(checker.workloads), 60)
    print(checker.report())
    assert checker.simulated is None
    assert checker.failures == {}
    leaf = next(each.leaf for each in checker.workloads if each.leaf)
    assert leaf.chain[0] == mesh.issuer()
    life = leaf.certificate.not_valid_after_utc - leaf.certificate.not_valid_before_utc
    assert life.total_seconds() == pytest.approx(LEAF_SECONDS + 2 * SKEW_SECONDS, abs=2)


def test_a_token_of_another_workload_or_for_another_audience_gets_no_leaf(
    watched: tuple[TrustMesh, Checker],
) -> None:
    """Else the checker would prove nothing about who is who."""
    mesh, checker = watched
    api, process = mesh.copy.api, _processes(checker)[0]
    account(api, NAMESPACE, "web")
    account(api, NAMESPACE, "thief")
    assert process._running
    client, asked = process._running.client, request("web")
    stolen = token(api, NAMESPACE, "thief", [AUDIENCE])
    with pytest.raises(Refused, match="did not match provided token"):
        client.certify(identity_of("web"), stolen, asked)
    with pytest.raises(Refused):
        client.certify(identity_of("web"), "no.token.atall", asked)
    own = token(api, NAMESPACE, "web", [AUDIENCE])
    assert client.certify(identity_of("web"), own, asked)[1] == mesh.issuer()
    with pytest.raises(Refused, match="CSR name does not match"):
        client.certify(identity_of("web"), own, request("thief"))


def test_a_renewed_issuer_is_taken_up_and_check_reads_it_from_the_processes(
    watched: tuple[TrustMesh, Checker],
) -> None:
    """What `check` calls healthy must be what the process says of itself."""
    mesh, checker = watched
    mesh.renewed()
    new = mesh.issuer().serial_number
    for process in _processes(checker):
        mesh.wait("the new issuer", lambda p=process: _signs_with(p) == new, 120)
    with _metrics(mesh, checker) as pods:
        code, said = mesh.try_run("bot", "trust", "check", *_STACK, "--json")
        document = json.loads(mesh.run("bot", "trust", "status", *_STACK, "--json"))
    assert code == 0, said
    (cluster,) = document["clusters"]
    left = mesh.left(mesh.issuer())
    assert {each["pod"] for each in cluster["identity"]["pods"]} == set(pods)
    for each in cluster["identity"]["pods"]:
        assert each["ttlSeconds"] == pytest.approx(left, abs=60)
    assert cluster["identity"]["faults"] == cluster["identity"]["notes"] == []
    assert checker.failures == {}


def test_a_process_that_missed_a_renewal_is_found_by_check(
    watched: tuple[TrustMesh, Checker],
) -> None:
    """Its watch has died (linkerd2 #15109): pods get leaves all the same, until the issuer ends."""
    mesh, checker = watched
    stuck = _processes(checker)[0]
    with mesh.issuers_capped(20 * 60):
        mesh.renewed()
        short = mesh.issuer().serial_number
        mesh.wait("the short issuer", lambda: _signs_with(stuck) == short, 120)
        stuck.follows = False
    mesh.renewed()
    with _metrics(mesh, checker) as pods:
        code, said = mesh.try_run("bot", "trust", "check", *_STACK)
    assert code == 4, said
    (pod,) = [pod for pod, name in pods.items() if name == stuck.name]
    assert f"{pod} signs with another issuer" in said
    assert said.count("signs with another issuer") == 1
    stuck.follows = True
    new = mesh.issuer().serial_number
    mesh.wait("the new issuer", lambda: _signs_with(stuck) == new, 120)
    assert checker.failures == {}


def _signs_with(process: IdentityProcess) -> int:
    leaf = process.certify("web", request("web"))
    return leaf.chain[0].serial_number if leaf else 0
