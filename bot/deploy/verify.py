"""After an update: the table of proofs that the mesh is what it claims to be, on its own cluster.

The proofs are those of `python -m sandbox verify`. The servers are reached as every command of the
bot reaches them: the context of the stack file, also with a program that gives a token, and Vault
with VAULT_TOKEN.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.serialization import Encoding

from bot import engine
from bot.clients import vault as vault_client
from bot.clients.connect import cluster
from bot.clients.https import ReadError, Unreadable
from bot.clients.target import Target
from bot.engine import Engine
from bot.exit_codes import BotError, MissingToolError
from bot.mesh.verification import reader as proof_reader
from bot.mesh.verification.data import Proof, Seen
from bot.mesh.verification.judge import judge, table

# What controllers still distribute when the engine is through: a bundle, a renewed certificate.
SETTLE_SECONDS = 60.0
_POLL_SECONDS = 3.0
_STATE = "state"


def refuse_unable(target: Target) -> None:
    """Raise MissingToolError or Unreadable where an update could not be verified afterwards.

    Before anything changes: no token for Vault, no such context. No server is asked.
    """
    try:
        with vault_client.connected(target):
            pass
        if target.config.cluster is not None:
            with cluster(target):
                pass
    except (MissingToolError, Unreadable) as error:
        raise type(error)(f"{error}; or give --no-verify to deploy without verification") from None


def prove(found: Engine, target: Target) -> list[Proof]:
    """Read from the stack's servers and judge; raises BotError when they do not tell."""
    return judge(read(found, target), target.config)


def read(found: Engine, target: Target) -> Seen:
    """What the proofs need. The root's custody is tried only where the stack makes the root."""
    config = target.config
    objects = {}
    try:
        if config.cluster is not None:
            with cluster(target) as api:
                objects = proof_reader.cluster_objects(api, config)
        with vault_client.connected(target) as client:
            names = [generation.name for generation in config.trust.generations]
            published = {name: vault_client.published(client, config, name) for name in names}
            attempts = proof_reader.attempts(client, config) if config.owns_anchor else {}
    except ReadError as error:
        raise Unreadable(f"stack {target.stack}: {error}") from None
    # Secrets stay encrypted in it, so that a key found there is one that lies in clear.
    state = engine.short(found, target, "stack", "export", "--stack", target.engine_name)
    return Seen(
        **objects,
        anchors={
            name: certificate.public_bytes(Encoding.PEM).decode() if certificate else ""
            for name, certificate in published.items()
        },
        attempts=attempts,
        files={_STATE: state.encode()},
        tokens=[target.full_environment().get("VAULT_TOKEN", "")],
    )


def settled(
    look: Callable[[], Sequence[Proof]],
    show: Callable[[str], None],
    seconds: float = SETTLE_SECONDS,
) -> list[Proof]:
    """The proofs as soon as all hold, else those of the last look after `seconds`.

    Raises BotError when the servers do not tell at the last look.
    """
    deadline = time.monotonic() + seconds
    while True:
        over = time.monotonic() >= deadline
        try:
            proofs = list(look())
        except BotError as error:
            if over:
                raise
            show(f"not verified yet: {error}")
        else:
            failed = [proof for proof in proofs if not proof.ok]
            if (proofs and not failed) or over:
                return proofs
            show(
                f"not passed yet: {failed[0].what}: {failed[0].seen}" if failed else "no check yet"
            )
        time.sleep(_POLL_SECONDS)


def healthy(proofs: Sequence[Proof]) -> bool:
    """True when all hold, and there are any: nothing proves nothing."""
    return bool(proofs) and all(proof.ok for proof in proofs)


def lines(proofs: Sequence[Proof], stack: str) -> list[str]:
    """The table, and what failed first."""
    told = table(proofs)
    failed = next((proof for proof in proofs if not proof.ok), None)
    if failed:
        told.append(
            f"failed: stack {stack} is not healthy: {failed.what}: expected {failed.expected}, "
            f"seen {failed.seen}"
        )
    elif not proofs:
        told.append(f"failed: stack {stack}: no check could be made")
    return told
