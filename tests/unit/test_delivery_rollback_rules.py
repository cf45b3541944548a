"""What a rollback may not do: the trust and the CRDs only go forward."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bot import engine
from bot.changes.model import Change, ChangeSet, Op
from bot.clients.target import Target
from bot.deploy import rollback_rules as rules
from bot.exit_codes import BotError, RefusedError
from bot.mesh.trust import fleet as trust_fleet
from bot.mesh.trust.fleet import Gathered
from components.trust import Generation
from stack.charts import Charts
from stack.config import StackConfig
from tests.unit.bot_trust_samples import kept, seen
from tests.unit.test_bot_trust_fleet import config
from tests.unit.waves_sample import ENGINE

ONE = config("a", signing="a")


def told(was: StackConfig, now: StackConfig) -> list[str]:
    return list(rules.trust(was, now))


def test_the_same_trust_may_be_gone_back_to() -> None:
    """Else there would be no rollback at all."""
    assert told(ONE, ONE) == []
    assert told(config("a", "b", signing="b"), config("a", "b", signing="a")) == []


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (
            ONE,
            config("a", "b", signing="b"),
            "does not trust anchor generation b, which is",
        ),
        (config("a", "b", signing="a", retired=("b",)), config("a", "b", signing="a"), "not trust"),
        (
            config("a", "b", signing="b"),
            config("a", "b", signing="b", retired=("a",)),
            "retired",
        ),
        (
            config("a", "b", signing="b"),
            config("b", signing="b"),
            "a, which is now no longer known",
        ),
    ],
)
def test_a_trusted_generation_is_neither_dropped_nor_taken_back(
    was: StackConfig, now: StackConfig, said: str
) -> None:
    """Pods below a dropped one are cut off; a retired one may be retired because it leaked."""
    (reason,) = told(was, now)
    assert said in reason


def test_an_owner_keeps_what_it_makes_retired_or_not() -> None:
    """A root that its program does not list would be deleted."""
    was = config("a", signing="a", role="trust")
    now = config("a", "b", signing="a", retired=("b",), role="trust")
    assert told(was, now) == ["it does not create anchor generation b, which exists now"]


def test_role_domain_and_custody_are_today_s() -> None:
    """Each decides where a key lies, or who is who."""
    domain = ONE.model_copy(
        update={"trust": ONE.trust.model_copy(update={"domain": "other.local"})}
    )
    assert told(domain, ONE) == ["its trust domain is other.local, now cluster.local"]
    role = ONE.model_copy(update={"role": "standalone"})
    assert told(role, ONE) == [
        "its role is standalone, now cluster: it would abandon its resources"
    ]
    generations = (Generation(name="a", custody="cluster"),)
    custody = ONE.model_copy(
        update={"trust": ONE.trust.model_copy(update={"generations": generations})}
    )
    assert told(custody, ONE) == ["it has a in custody cluster, now vault"]


def gathered(**more: Any) -> Gathered:
    """Two clusters whose bundles hold a and b, and a Vault that publishes both."""
    values: dict[str, Any] = {
        "configs": {"x": ONE, "y": ONE},
        "owner": "trust",
        "seen": {"x": seen("a", "b", stack="x"), "y": seen("a", "b", stack="y")},
        "kept": (kept("a"), kept("b")),
    }
    return Gathered(**{**values, **more})


def test_it_may_sign_with_what_is_in_every_bundle() -> None:
    """Then every pod of the fleet accepts what it issues."""
    assert rules.unsigned("b", gathered()) == []


def test_it_may_not_sign_with_what_a_bundle_lacks_or_may_lack() -> None:
    """A cluster that cannot be asked is not taken for one that agrees."""
    lacks = {"x": seen("a", stack="x"), "y": gathered().seen["y"]}
    assert rules.unsigned("b", gathered(seen=lacks)) == [
        "it signs with b, which the bundle of x does not hold"
    ]
    blind = gathered(seen={"x": gathered().seen["x"]}, unread={"y": "no context y"})
    assert rules.unsigned("b", blind) == [
        "it signs with b, and the bundle of y is unknown: no context y"
    ]
    assert rules.unsigned("c", gathered()) == ["it signs with c, which Vault does not publish"]


def test_clusters_are_asked_only_where_the_signer_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback in an incident must not depend on a cluster that it has nothing to do with."""
    asked: list[str] = []

    def gather(target: Target) -> Gathered:
        asked.append(target.stack)
        return gathered()

    monkeypatch.setattr(trust_fleet, "gather", gather)
    today = Target("x", Path(), config("a", "b", signing="b"), None, {})
    assert rules.signer(config("a", "b", signing="b"), today) == []
    assert not asked
    assert rules.signer(config("a", "b", signing="a"), today) == []
    assert asked == ["x"]


def crd(name: str, text: str = "") -> str:
    return f"kind: CustomResourceDefinition\nmetadata:\n  name: {name}\nspec: {{}}{text}\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARTS_DIR", str(tmp_path))
    return tmp_path


def archive(folder: Path, name: str, *texts: str) -> None:
    with tarfile.open(folder / f"{name}.tgz", "w:gz") as tar:
        for index, text in enumerate(("kind: Deployment\n", *texts)):
            info = tarfile.TarInfo(f"chart/templates/{index}.yaml")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))


def charts(folder: Path, **versions: str) -> Charts:
    """The list of charts of an older revision."""
    listed = "".join(f"  {n.replace('_', '-')}:\n    version: {v}\n" for n, v in versions.items())
    manifests = "manifests:\n  gateway-api:\n    version: 1.2.1\n"
    (folder / "charts.yaml").write_text(f"charts:\n{listed}{manifests}")
    return Charts(folder)


def test_a_lower_version_with_the_very_same_crds_is_no_downgrade(cache: Path) -> None:
    """Most patch releases of cert-manager leave its CRDs alone."""
    archive(cache, "cert-manager-1.2.3", crd("a.example.com"))
    archive(cache, "cert-manager-1.2.4", crd("a.example.com"))
    older = charts(cache, cert_manager="1.2.3")
    assert list(rules.crds({"cert-manager-crds": "1.2.4"}, older)) == []


def test_crds_that_are_older_or_gone_are_refused_by_name(cache: Path) -> None:
    """Objects may be stored in a version that the older one does not have."""
    archive(cache, "linkerd-crds-1.9.0", crd("a.example.com"))
    archive(cache, "linkerd-crds-1.10.0", crd("a.example.com", " # v2"), crd("b.example.com"))
    older = charts(cache, linkerd_crds="1.9.0")
    assert list(rules.crds({"linkerd-crds": "1.10.0"}, older)) == [
        "it has linkerd-crds 1.9.0, and 1.10.0 is installed now: CRD b.example.com is not in it",
        "it has linkerd-crds 1.9.0, and 1.10.0 is installed now: CRD a.example.com is an older one",
    ]


def test_the_same_or_a_higher_version_is_no_downgrade(cache: Path) -> None:
    """No archive is needed for that."""
    older = charts(cache, linkerd_crds="1.10.0")
    assert list(rules.crds({"linkerd-crds": "1.10.0"}, older)) == []
    assert list(rules.crds({"linkerd-crds": "1.10.0-rc1"}, older)) == []
    assert list(rules.crds({"linkerd-crds": "1.9.9"}, older)) == []


def test_what_cannot_be_compared_is_refused(cache: Path) -> None:
    """Fail closed: with an archive missing, or a chart that the revision does not know."""
    archive(cache, "linkerd-crds-1.9.0", crd("a.example.com"))
    older = charts(cache, linkerd_crds="1.9.0")
    (reason,) = rules.crds({"linkerd-crds": "1.10.0"}, older)
    assert "not in the cache (`make charts`)" in reason
    (reason,) = rules.crds({"cert-manager-crds": "1.0.0"}, older)
    assert reason == "it has no cert-manager-crds, whose version 1.0.0 is installed now"
    (cache / "linkerd-crds-1.10.0.tgz").write_bytes(b"no archive")
    with pytest.raises(BotError, match="cannot be read: delete it"):
        list(rules.crds({"linkerd-crds": "1.10.0"}, older))


def test_a_manifest_is_compared_document_by_document(cache: Path) -> None:
    """The Gateway API comes as one file."""
    older = charts(cache, linkerd_crds="1.0.0")
    (cache / "gateway-api-1.2.1.yaml").write_text(f"{crd('a')}---\n{crd('b')}")
    (cache / "gateway-api-1.3.0.yaml").write_text(f"{crd('a')}---\n{crd('b', ' # new')}")
    (reason,) = rules.crds({"gateway-api-crds": "1.3.0"}, older)
    assert reason.endswith("CRD b is an older one")


def test_the_deployed_versions_are_those_of_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """charts.yaml may be ahead of what was ever applied."""
    release = {"type": "kubernetes:helm.sh/v3:Release"}
    resources: list[dict[str, Any]] = [
        {**release, "inputs": {"name": "cert-manager-crds", "version": "v1.21.1"}},
        {**release, "inputs": {"name": "linkerd-buoyant", "version": "0.40.6"}},
        {"type": "kubernetes:core/v1:Namespace", "inputs": {"metadata": {}}},
    ]
    assert rules.releases(resources) == {"cert-manager-crds": "v1.21.1"}
    monkeypatch.setattr(engine, "exported", lambda *_: {"deployment": {"resources": None}})
    with pytest.raises(RefusedError, match="has no resources yet"):
        rules.deployed_crds(ENGINE, Target("x", Path(), ONE, None, {}))


def change(kind: str, op: Op, urn: str = "urn:pulumi:x::p::t::n") -> Change:
    inputs = {"kind": kind, "metadata": {"name": "n"}}
    return Change(urn=urn, type="t", name="n", component="c", op=op, before=inputs)


def test_a_preview_that_removes_a_crd_or_part_of_the_trust_is_refused() -> None:
    """Whatever charts.yaml and the stack file say: the state may know more."""
    trust = "urn:pulumi:x::p::linkerd-platform:trust:TrustBundle$kubernetes:x:ExternalSecret::n"
    found = ChangeSet(
        stack="x",
        source="preview",
        changes=(
            change("CustomResourceDefinition", Op.REPLACE),
            change("ExternalSecret", Op.DELETE, trust),
            change("Namespace", Op.DELETE),
            change("Deployment", Op.DELETE),
        ),
    )
    assert [reason.split(":")[0] for reason in rules.changes(found)] == [
        "ExternalSecret n",
        "CustomResourceDefinition n",
    ]


def test_a_refusal_gives_every_reason_once_and_the_way_forward() -> None:
    """Somebody reads it in an incident."""
    rules.refuse([], "abc")
    with pytest.raises(RefusedError) as caught:
        rules.refuse(["one", "two", "one"], "abc")
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["refused: one", "refused: two"]
    assert "revert the fault in a new commit" in lines[2]
