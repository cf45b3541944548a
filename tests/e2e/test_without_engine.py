"""The program's own objects on real servers, without the engine: any machine with Go can do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from bot.clients.kubernetes import condition
from bot.engine import sandbox_stack
from bot.engine import target as engine_target
from bot.mesh.status import evidence, verification_trust, verification_vault
from bot.mesh.status.evidence import Evidence
from bot.plan.mock import engine as mock_engine
from components.names import IDENTITY_ISSUER, LINKERD, TRUST_ROOTS_CONFIG_MAP
from sandbox import toolchain
from sandbox.verify import state_files
from tests.e2e import project, troubles
from tests.e2e.by_hand import ByHand
from tests.e2e.project import Copy

pytestmark = pytest.mark.e2e
_CRDS = ("cert-manager.yaml", "external-secrets.yaml", "trust-manager.yaml")
_SECONDS = 90.0
_CERTIFICATES = f"/apis/cert-manager.io/v1/namespaces/{LINKERD}/certificates"
_ROOTS = f"/api/v1/namespaces/{LINKERD}/configmaps/{TRUST_ROOTS_CONFIG_MAP}"


def _wait(what: str, probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not probe():
        assert time.monotonic() < deadline, f"{what}: not in {_SECONDS:.0f} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """The trust part of the sandbox stack, applied by hand, with the operators done."""
    if reason := toolchain.missing_reason():
        pytest.skip(reason)
    crds = troubles.crds(_CRDS)
    copy = project.copy_to(tmp_path_factory.mktemp("by-hand") / "project")
    try:
        done = copy.run("sandbox", "cluster", "up", "--ephemeral", seconds=1500)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        # The evaluation reads the stack file of this copy, with the ports of this cluster.
        file = copy.folder / sandbox_stack.TRACKED
        file.write_text(sandbox_stack.content(copy.folder), encoding="utf-8")
        hand = ByHand(copy.settings)
        for crd in crds:
            hand.apply(crd)
        for resource in mock_engine.evaluate(file, copy.folder, preview=False).resources:
            if resource.type.startswith("vault:"):
                hand.make_in_vault(resource)
            elif resource.type.startswith("kubernetes:") and "kind" in resource.inputs:
                hand.apply(dict(resource.inputs))
        issuer = f"{_CERTIFICATES}/{IDENTITY_ISSUER}"
        _wait("identity issuer", lambda: condition(copy.api.request("GET", issuer).body)[0])
        _wait("trust roots", lambda: copy.api.request("GET", _ROOTS).ok)
        yield copy
    finally:
        copy.down()


def _seen(copy: Copy) -> tuple[Evidence, engine_target.Target]:
    target = copy.target
    return evidence.read(target, state_files(copy.folder)), target


def test_our_objects_become_an_issuer_that_verifies_against_the_anchor(applied: Copy) -> None:
    """The chain of trust is made by four real servers from our objects, and by nothing else."""
    seen, target = _seen(applied)
    proofs = verification_trust.verify(seen, target.config)
    assert len(proofs) >= 12
    assert [proof for proof in proofs if not proof.ok] == []


def test_vault_keeps_the_root_key_and_the_policy_is_narrow(applied: Copy) -> None:
    """The program's own policy text is what Vault enforces: read here from its answers."""
    seen, target = _seen(applied)
    proofs = [p for p in verification_vault.verify(seen, target.config) if p.what != "state files"]
    assert len(proofs) == 5
    assert [proof for proof in proofs if not proof.ok] == []


def test_every_webhook_certificate_is_ready(applied: Copy) -> None:
    """Five webhooks are signed by our own CA: one wrong duration and cert-manager refuses."""
    names = {"linkerd": 4, "linkerd-viz": 2}
    for namespace, count in names.items():
        path = _CERTIFICATES.replace(f"/{LINKERD}/", f"/{namespace}/")
        _wait(
            f"certificates in {namespace}",
            lambda path=path: all(  # type: ignore[misc]
                condition(each)[0] for each in applied.api.request("GET", path).body["items"]
            ),
        )
        assert len(applied.api.request("GET", path).body["items"]) == count
