"""After an update: the checks that the mesh is what it claims to be, on its own cluster.

They are those of `python -m sandbox verify`. The servers are reached as every command of the
bot reaches them: the context of the stack file, also with a program that gives a token, and Vault
with VAULT_TOKEN.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bot import engine
from bot.clients import vault as vault_client
from bot.clients.connect import cluster
from bot.clients.https import Unreadable
from bot.clients.target import Target
from bot.engine import Engine
from bot.exit_codes import BotError, MissingToolError
from bot.mesh.status import evidence
from bot.mesh.status.evidence import Verification
from bot.mesh.status.verification import judge, table

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


def prove(found: Engine, target: Target) -> list[Verification]:
    """Read from the stack's servers and judge; raises BotError when they do not tell."""
    # Secrets stay encrypted in it, so that a key found there is one that lies in clear.
    state = engine.short(found, target, "stack", "export", "--stack", target.engine_name)
    return judge(evidence.read(target, {_STATE: state.encode()}), target.config)


def settled(
    look: Callable[[], Sequence[Verification]],
    show: Callable[[str], None],
    seconds: float = SETTLE_SECONDS,
) -> list[Verification]:
    """The checks as soon as all passed, else those of the last look after `seconds`.

    Raises BotError when the servers do not tell at the last look.
    """
    deadline = time.monotonic() + seconds
    while True:
        over = time.monotonic() >= deadline
        try:
            checks = list(look())
        except BotError as error:
            if over:
                raise
            show(f"not verified yet: {error}")
        else:
            failed = [each for each in checks if not each.ok]
            if (checks and not failed) or over:
                return checks
            show(
                f"not passed yet: {failed[0].what}: {failed[0].seen}" if failed else "no check yet"
            )
        time.sleep(_POLL_SECONDS)


def healthy(checks: Sequence[Verification]) -> bool:
    """True when all passed, and there are any: no check says nothing."""
    return bool(checks) and all(each.ok for each in checks)


def lines(checks: Sequence[Verification], stack: str) -> list[str]:
    """The table, and what failed first."""
    told = table(checks)
    failed = next((each for each in checks if not each.ok), None)
    if failed:
        told.append(
            f"failed: stack {stack} is not healthy: {failed.what}: expected {failed.expected}, "
            f"seen {failed.seen}"
        )
    elif not checks:
        told.append(f"failed: stack {stack}: no check could be made")
    return told
