"""Each proof fails when what it proves is broken: a table that is always `ok` proves nothing."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from bot.mesh.status import evidence, verification_vault
from bot.mesh.status.evidence import Attempt, Evidence, Verification
from bot.mesh.status.verification import judge, table
from bot.mesh.status.verification_trust import go_seconds
from tests.certificates import Authority
from tests.unit.made_mesh import anchor_of, config, good

CONFIG = config()


def _failed(seen: Evidence) -> list[str]:
    return [proof.what for proof in judge(seen, CONFIG) if not proof.ok]


def _with_secret(seen: Evidence, name: str, **data: bytes) -> Evidence:
    secret = seen.secrets[name]
    encoded = {
        key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()
    }
    changed = {**secret, "data": {**secret["data"], **encoded}}
    return replace(seen, secrets={**seen.secrets, name: changed})


_ISSUER = "linkerd/linkerd-identity-issuer"


def test_good_mesh_has_every_proof() -> None:
    """The baseline: what follows breaks one thing of it at a time."""
    assert _failed(good()) == []


def test_without_linkerd_its_objects_are_not_asked_for_and_the_rest_is_proven() -> None:
    """Where its charts cannot be had, what was made must be proven, webhooks' certificates too."""
    sandbox = CONFIG.sandbox.model_copy(update={"linkerd": False})
    config = CONFIG.model_copy(update={"sandbox": sandbox})
    seen = replace(good(), webhooks=(), api_services=(), pods=())
    proofs = judge(seen, config)
    missing = {proof.what for proof in judge(good(), CONFIG)} - {proof.what for proof in proofs}
    assert missing == {"control plane's replicas"}
    assert [proof.what for proof in proofs if not proof.ok] == []
    other = Authority.root("other").certificate.public_bytes(serialization.Encoding.PEM)
    alien = _with_secret(seen, "linkerd-viz/tap-k8s-tls", ca_crt=other)
    assert [proof.what for proof in judge(alien, config) if not proof.ok] == ["webhook tap"]


def test_nothing_seen_proves_nothing() -> None:
    """An empty answer must not pass for a good one: no proof may hold on no data."""
    assert [proof for proof in judge(Evidence(), CONFIG) if proof.ok] == []


def test_issuer_signed_by_another_anchor_fails() -> None:
    """A second root with the same name is what an attacker, or a re-run, would have."""
    other = Authority.root("root.linkerd.cluster.local")
    issuer, key = other.issue("identity.linkerd.cluster.local", path_length=0)
    assert "chain issuer to anchor" in _failed(
        _with_secret(good(), _ISSUER, tls_crt=issuer, tls_key=key)
    )


def test_issuer_with_a_key_of_another_certificate_fails() -> None:
    """A half-written Secret starts an identity service that signs what nobody can verify."""
    _, key = Authority.root("x").issue("y", path_length=0)
    assert _failed(_with_secret(good(), _ISSUER, tls_key=key)) == ["issuer's key in the cluster"]


@pytest.mark.parametrize(
    ("issued", "expected"),
    [
        ({"path_length": 1}, "identity issuer may sign leaves only"),
        ({"path_length": None}, "identity issuer may sign leaves only"),
        ({"path_length": 0, "lifetime": timedelta(hours=49)}, "identity issuer's lifetime"),
        ({"path_length": 0, "curve": "P-384"}, "key algorithm of anchor and issuer"),
    ],
)
def test_issuer_of_another_make_fails(issued: dict[str, Any], expected: str) -> None:
    """Linkerd refuses some of these at run time, and takes others silently."""
    seen, root = good(), anchor_of(good())
    issuer, key = root.issue("identity.linkerd.cluster.local", **issued)
    assert _failed(_with_secret(seen, _ISSUER, tls_crt=issuer, tls_key=key)) == [expected]


def test_issuer_that_outlives_its_anchor_fails() -> None:
    """Every proxy would lose its identity on the anchor's last day, not on the issuer's."""
    root = Authority.root("root.linkerd.cluster.local", lifetime=timedelta(hours=1))
    seen = good(root, issuer_lifetime=timedelta(hours=48))
    assert "issuer ends before its anchor" in _failed(seen)


def test_bundle_with_one_anchor_too_many_fails() -> None:
    """An anchor that Vault does not know is trusted by every proxy all the same."""
    seen = good()
    name = "linkerd/linkerd-identity-trust-roots"
    bundle = seen.config_maps[name]["data"]["ca-bundle.crt"] + Authority.root("x").pem
    more = {name: {"data": {"ca-bundle.crt": bundle}}}
    assert _failed(replace(seen, config_maps=more)) == ["ConfigMap linkerd-identity-trust-roots"]


def test_webhook_with_the_ca_of_yesterday_fails() -> None:
    """The API server would refuse every pod, or with Ignore let each start outside the mesh."""
    seen = good()
    stale = base64.b64encode(Authority.root("webhook.linkerd.cluster.local").pem.encode()).decode()
    hooks = [dict(each) for each in seen.webhooks]
    client = hooks[0]["webhooks"][0]["clientConfig"]
    hooks[0] = {"webhooks": [{"clientConfig": {**client, "caBundle": stale}}]}
    assert _failed(replace(seen, webhooks=hooks)) == [f"webhook {client['service']['name']}"]


def test_policy_validator_with_a_pkcs1_key_fails() -> None:
    """Its server is Rust and reads PKCS8 alone: it crashes at start (linkerd2#7963)."""
    name = "linkerd/linkerd-policy-validator-k8s-tls"
    seen = good()
    key = serialization.load_pem_private_key(
        base64.b64decode(seen.secrets[name]["data"]["tls.key"]), None
    )
    old = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    assert _failed(_with_secret(seen, name, tls_key=old)) == ["key of linkerd-policy-validator"]


def test_replicas_on_one_node_fail() -> None:
    """Three replicas on one machine are one replica on the day it dies."""
    seen = good()
    pods = [{**pod, "spec": {"nodeName": "a"}} for pod in seen.pods]
    assert _failed(replace(seen, pods=pods)) == ["control plane's replicas"]


def test_deployment_that_is_not_available_is_named() -> None:
    """The reader must know where to look without asking again."""
    seen = good()
    first = {**seen.deployments[0], "status": {"observedGeneration": 1, "availableReplicas": 2}}
    proofs = judge(replace(seen, deployments=[first, *seen.deployments[1:]]), CONFIG)
    assert [p.what for p in proofs if not p.ok] == ["Deployments"]
    assert first["metadata"]["name"] in next(p.seen for p in proofs if not p.ok)


def test_second_writer_of_the_issuer_fails() -> None:
    """Two writers take turns: the issuer changes for ever, and leaves with it."""
    seen = good()
    claim = {
        "metadata": {"name": "twin", "namespace": "linkerd"},
        "spec": {"target": {"name": "linkerd-identity-issuer"}},
    }
    assert _failed(replace(seen, external_secrets=[claim])) == [
        "writers of Secret linkerd-identity-issuer"
    ]


@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        (evidence.READ_KEY, Attempt(200, {"key_id": "x", "private_key": "k"})),
        (evidence.EXPORT_KEYS, Attempt(200, {})),
        (evidence.SIGN_ELSEWHERE, Attempt(400, {})),
        (evidence.READ_KV, Attempt(200, {})),
        (evidence.SIGN_HERE, Attempt(403, {})),
    ],
)
def test_vault_that_gives_more_or_less_than_it_should_fails(attempt: str, answer: Attempt) -> None:
    """A policy that is too wide works for years, until somebody uses it."""
    seen = good()
    assert len(_failed(replace(seen, attempts={**seen.attempts, attempt: answer}))) == 1


@pytest.mark.parametrize("shift", [b"", b"a", b"ab"])
def test_private_key_in_state_is_found_in_base64_too(shift: bytes) -> None:
    """A Secret's data is base64, at any of three positions: a search for the text misses it."""
    pem = Authority.root("x").key_pem.encode()
    for content in (pem, base64.b64encode(shift + pem)):
        assert verification_vault.leaks({"a.json": content}, []) == ["private key in a.json"]
    assert verification_vault.leaks({"a.json": b"-----BEGIN CERTIFICATE-----"}, ["t0ken"]) == []
    assert verification_vault.leaks({"a.json": b"x t0ken y"}, ["t0ken", ""]) == ["token in a.json"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("25h0m0s", 90000), ("1h30m", 5400), ("", 0), ("25", 0)]
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: int) -> None:
    """The API server gives back `25h0m0s` for `25h`."""
    assert go_seconds(text) == seconds


def test_table_counts_and_marks_failures() -> None:
    """Twenty rows of `ok` hide one that is not, unless it is marked and counted."""
    lines = table([Verification("a", "b", "c" * 99, True), Verification("d", "e", "f", False)])
    assert lines[1].endswith("ok")
    assert lines[2].endswith("FAIL")
    assert lines[-1] == "1 of 2 checks passed"
    assert all(len(line) < 100 for line in lines)
