"""Where the rotation of a trust anchor stands, derived from what is seen and from nothing saved."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.exit_codes import BadInputError
from bot.mesh.trust.chain import anchor_of, names_of
from bot.mesh.trust.model import Stage, StageName, Step, TrustState
from components.trust import TrustSection


def derive(
    seen: TrustState,
    trusted: Sequence[str] = (),
    kept: Collection[str] = (),
    order: Sequence[str] = (),
) -> Stage:
    """The stage of a cluster.

    `adding`: the stack file trusts a generation that the bundle has not got yet. `added`: a newer
    one than the signer is in the bundle. `switched`: the newest signs, older ones are still
    trusted. `retired`: one is trusted, and Vault keeps the key of another that is not. `steady`:
    one is trusted and signs. `broken`: the issuer leads to no trusted anchor. `unknown`: no bundle.

    trusted: generations of the stack file that are not retired, oldest first. kept: generations
    whose key Vault still has. order: all generations of the stack file, oldest first; what is not
    among them counts as oldest. The bundle's own order says nothing: trust-manager sorts it.
    """
    if seen.bundle is None:
        return Stage("unknown", None, (), "no ConfigMap with trust roots")
    held = seen.bundle.certificates
    places = {name: place for place, name in enumerate(order or trusted)}
    names = tuple(sorted(names_of(held, seen.anchors), key=lambda name: places.get(name, -1)))
    if not seen.issuer:
        return Stage("broken", None, names, "no identity issuer")
    root = anchor_of(seen.issuer, held, seen.now)
    if root is None:
        return Stage("broken", None, names, _why_broken(seen))
    signer = names_of([root], seen.anchors)[0]
    return Stage(_name(signer, names, trusted, kept), signer, names)


def _name(
    signer: str, bundle: tuple[str, ...], trusted: Sequence[str], kept: Collection[str]
) -> StageName:
    if any(name not in bundle for name in trusted):
        return "adding"
    if len(bundle) > 1:
        return "switched" if bundle[-1] == signer else "added"
    return "retired" if any(name not in bundle for name in kept) else "steady"


def _why_broken(seen: TrustState) -> str:
    issuer = seen.issuer[0]
    if seen.now >= issuer.not_valid_after_utc:
        return f"the identity issuer ended at {issuer.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    root = anchor_of(seen.issuer, seen.anchors.values(), seen.now)
    if root is not None:
        name = names_of([root], seen.anchors)[0]
        return f"the identity issuer is signed by {name}, which is not in the bundle"
    return "the identity issuer is signed by no anchor that is known"


def next_step(stage: Stage, trust: TrustSection) -> Step | None:
    """The step that the stack file asks for and the cluster has not taken, else the one to come."""
    trusted = [generation.name for generation in trust.trusted]
    if stage.signer and trust.signing != stage.signer:
        return "switch"
    if any(name not in trusted for name in stage.bundle):
        return "retire"
    steps: dict[StageName, Step] = {"adding": "switch", "added": "switch", "switched": "retire"}
    return steps.get(stage.name)


def switch_to(stage: Stage, trust: TrustSection) -> str:
    """The generation that is to sign; raises BadInputError when there is no other than now."""
    if trust.signing != stage.signer:
        return trust.signing
    newest = trust.trusted[-1].name
    if newest == stage.signer:
        raise BadInputError(
            f"step switch: {newest} signs already and is the newest trusted generation: add "
            "another to trust.generations first"
        )
    return newest


def staying(stage: Stage, trust: TrustSection) -> tuple[str, ...]:
    """The generations that stay trusted after *retire*.

    What the stack file trusts where it leaves one of the bundle out; else the signer and what is
    newer, for a file that does not say so yet. Raises BadInputError when nothing is to retire.
    """
    trusted = tuple(generation.name for generation in trust.trusted)
    if any(name not in trusted for name in stage.bundle):
        return trusted
    if stage.signer in stage.bundle and (at := stage.bundle.index(stage.signer)):
        return stage.bundle[at:]
    raise BadInputError(
        "step retire: no trusted generation is older than the one that signs: nothing to retire"
    )
