"""The stage of a rotation is what is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.exit_codes import BadInputError
from bot.mesh.trust.model import Stage
from bot.mesh.trust.stage import derive, next_step, staying, switch_to
from components.trust import Generation, TrustSection
from tests.unit.bot_trust_samples import DAY, NOW, chain, root, seen


def trust(*names: str, signing: str, retired: tuple[str, ...] = ()) -> TrustSection:
    generations = tuple(Generation(name=n, retired=n in retired) for n in names)
    return TrustSection(generations=generations, signing=signing)


@pytest.mark.parametrize(
    ("held", "signer", "trusted", "kept", "stage"),
    [
        (("a",), "a", ("a",), ("a",), "steady"),
        (("a",), "a", ("a", "b"), ("a",), "adding"),
        (("a",), "a", ("a", "b"), ("a", "b"), "adding"),
        (("a", "b"), "a", ("a", "b"), ("a", "b"), "added"),
        (("a", "b"), "b", ("a", "b"), ("a", "b"), "switched"),
        (("a", "b"), "b", ("b",), ("a", "b"), "switched"),
        (("b",), "b", ("b",), ("a", "b"), "retired"),
        (("b",), "b", ("b",), ("b",), "steady"),
        (("a", "b", "c"), "b", ("a", "b", "c"), (), "added"),
        (("a", "b"), "a", ("b", "a"), (), "switched"),
        (("a", "b"), "b", ("b", "a"), (), "added"),
        (("a",), "b", ("a",), (), "broken"),
    ],
)
def test_the_stage_follows_from_bundle_and_signer(
    held: tuple[str, ...],
    signer: str,
    trusted: tuple[str, ...],
    kept: tuple[str, ...],
    stage: str,
) -> None:
    """Saved progress would be wrong after the first manual repair."""
    found = derive(seen(*held, signer=signer), trusted, kept)
    assert found.name == stage
    assert sorted(found.bundle) == sorted(held)


def test_the_order_is_that_of_the_file_and_not_of_the_bundle() -> None:
    """trust-manager sorts what it writes: the last certificate need not be the newest."""
    found = derive(seen("b", "a", signer="a"), ("a", "b"), (), ("a", "b"))
    assert found.bundle == ("a", "b")
    assert found.name == "added"
    file_has_retired_one = derive(seen("b", "a", signer="b"), ("b",), (), ("a", "b"))
    assert file_has_retired_one.bundle == ("a", "b")
    assert file_has_retired_one.name == "switched"


def test_a_cluster_without_bundle_is_unknown_and_without_issuer_broken() -> None:
    """Neither is steady, whatever the rest says."""
    assert derive(seen()).name == "unknown"
    assert derive(replace(seen("a"), issuer=())).why == "no identity issuer"


def test_an_expired_issuer_is_broken_and_says_since_when() -> None:
    """The operator looks for the cause of an outage."""
    found = derive(replace(seen("a"), now=NOW + 3 * DAY))
    assert found.name == "broken"
    assert found.why.startswith("the identity issuer ended at 2026-03-12")


def test_an_issuer_of_an_untrusted_anchor_names_it() -> None:
    """The fault of four public installations: their anchor renewed itself."""
    assert "signed by b, which is not in the bundle" in derive(seen("a", signer="b")).why
    unknown = replace(seen("a"), issuer=chain("stranger"))
    assert "no anchor that is known" in derive(unknown).why


def test_an_anchor_that_no_generation_has_shows_its_fingerprint() -> None:
    """Somebody added a root by hand: it must not pass for one of ours."""
    found = derive(seen("a", "stranger"))
    assert found.bundle[0] == "a"
    assert found.bundle[1].startswith("unknown ")


@pytest.mark.parametrize(
    ("stage", "config", "step"),
    [
        (Stage("steady", "a", ("a",)), trust("a", signing="a"), None),
        (Stage("adding", "a", ("a",)), trust("a", "b", signing="a"), "switch"),
        (Stage("added", "a", ("a", "b")), trust("a", "b", signing="a"), "switch"),
        (Stage("added", "a", ("a", "b")), trust("a", "b", signing="b"), "switch"),
        (Stage("switched", "b", ("a", "b")), trust("a", "b", signing="b"), "retire"),
        (
            Stage("switched", "b", ("a", "b")),
            trust("a", "b", signing="b", retired=("a",)),
            "retire",
        ),
        (Stage("switched", "b", ("a", "b")), trust("a", "b", signing="a"), "switch"),
        (Stage("retired", "b", ("b",)), trust("a", "b", signing="b", retired=("a",)), None),
        (Stage("broken", None, ("a",)), trust("a", signing="a"), None),
    ],
)
def test_the_next_step_is_what_the_file_asks_for_else_what_comes(
    stage: Stage, config: TrustSection, step: str | None
) -> None:
    """`check` in CI is run on the change that is about to be applied."""
    assert next_step(stage, config) == step


def test_switch_goes_to_the_file_s_signer_else_to_the_newest() -> None:
    """Before the change is written the question is already worth asking."""
    added = Stage("added", "a", ("a", "b"))
    assert switch_to(added, trust("a", "b", signing="b")) == "b"
    assert switch_to(added, trust("a", "b", signing="a")) == "b"
    with pytest.raises(BadInputError, match="signs already"):
        switch_to(Stage("steady", "a", ("a",)), trust("a", signing="a"))


def test_what_stays_is_the_file_s_trust_else_the_signer_and_newer() -> None:
    """Retiring must not take an anchor that was added since."""
    switched = Stage("switched", "b", ("a", "b", "c"))
    assert staying(switched, trust("a", "b", "c", signing="b")) == ("b", "c")
    assert staying(switched, trust("a", "b", "c", signing="b", retired=("a",))) == ("b", "c")
    with pytest.raises(BadInputError, match="nothing to retire"):
        staying(Stage("steady", "a", ("a",)), trust("a", signing="a"))


def test_roots_of_one_subject_are_told_apart() -> None:
    """All generations of a trust domain have one name; only the signature tells them apart."""
    assert root("a").certificate != root("b").certificate
    assert derive(seen("a", "b", signer="b")).signer == "b"
