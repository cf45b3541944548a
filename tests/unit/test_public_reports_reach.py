"""Public reports on how Vault and the API server reach one another (K10)."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bot.changes.model import ChangeSet
from bot.clients.https import Answer
from bot.clients.target import Target
from bot.deploy import audience
from tests.unit import stack_files

# -- audience
from tests.unit.test_public_reports_vault import LOGIN, ROLE, Looked, change, config, faults


def token(**claims: Any) -> Answer:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in ({}, claims)]
    return Answer(201, {"status": {"token": ".".join([*(p.rstrip("=") for p in parts), "s"])}})


EKS = "https://kubernetes.default.svc"
DEFAULT = "https://kubernetes.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("answer", "refused", "warned"),
    [
        (token(aud=[EKS], iss="https://oidc.eks.eu-west-1.amazonaws.com/id/A"), True, False),
        (token(aud=[DEFAULT]), False, False),
        (token(aud=["https://issuer", DEFAULT, "k3s"]), False, False),
        (token(aud=DEFAULT), False, False),
        (token(aud=[]), True, False),
        (token(), False, True),
        (Answer(201, {"status": {"token": "opaque"}}), False, True),
        (Answer(403), False, True),
        (Answer(404), False, True),
    ],
)
def test_public_reports_the_audience_is_read_from_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, refused: bool, warned: bool
) -> None:
    """vault-csi-provider#231: on EKS it is not the issuer, and the store's login was refused."""
    api = Looked(has={audience.TOKEN: answer})
    monkeypatch.setattr(audience, "cluster", lambda _target: nullcontext(api))
    target = Target("test", tmp_path, config(tmp_path, {}), None, {})
    whole = ChangeSet(stack="test", source="preview", changes=(change(ROLE, **LOGIN),))
    judged = audience.judged(target, whole)
    assert [EKS in each.message or "nobody" in each.message for each in judged.violations] == (
        [True] if refused else []
    )
    assert bool(judged.warnings) is warned
    nothing = ChangeSet(stack="test", source="preview", changes=())
    assert audience.judged(target, nothing) == nothing


# -- how Vault reaches the API server


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://rancher.example.com/k8s/clusters/c-m-x", "the authorized cluster endpoint"),
        ("https://gw.example.com/cluster-a/", "takes no service account's token"),
        ("https://kubernetes.docker.internal:6443/", "is not an https address without a path"),
        ("http://api.example.com:6443", "without a path: write it like https://api.example.com"),
        ("https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", ""),
        ("https://gke-0123456789abcdef-123456789012.europe-west1.gke.goog", ""),
        ("https://[fd00::1]:6443", ""),
    ],
)
def test_public_reports_an_api_server_below_a_path_is_refused_by_its_reason(
    tmp_path: Path, address: str, why: str
) -> None:
    """rancher#17447: a proxy that takes its own tokens; the message talked of Vault's address."""
    told = faults(tmp_path, {("cluster", "apiServer"): address})
    assert (why in told) if why else told == ""
    assert "vault.example.com" not in told


def test_public_reports_a_public_certificate_needs_its_root_too(tmp_path: Path) -> None:
    """flux2#5896: a kubeconfig of GKE's DNS endpoint has no certificate-authority-data."""
    told = faults(tmp_path, {("cluster", "caPem"): stack_files.REMOVE})
    assert "that of a public authority too" in told
