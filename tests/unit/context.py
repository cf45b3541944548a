"""What a command of the bot finds around it: the project, the engine, servers, clock, terminal.

A test asks for the fixture `context` and says what is there; all else is as it is outside.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot import engine as bot_engine
from bot import stacks
from bot.clients import vault as vault_client
from bot.clients.https import Client
from bot.clients.target import Target
from bot.deploy import lock, verify, waves_run
from bot.engine import Engine
from bot.engine import target as engine_target
from bot.mesh.drift import look
from bot.mesh.status.evidence import Verification
from bot.mesh.trust import fleet as trust_fleet
from tests.unit.fake_engine import BACKEND


class Terminal(io.StringIO):
    """A terminal at which somebody types; meanwhile: what happens before each answer."""

    def __init__(self, text: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(text)
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:
        self._meanwhile()
        return super().readline(-1 if size is None else size)


@dataclass(frozen=True)
class Context:
    """Says to the commands what is there, until the test ends."""

    patch: pytest.MonkeyPatch

    def project(self, folder: Path) -> Path:
        """Commands are run in this folder."""
        self.patch.setattr(stacks, "PROJECT_DIR", folder)
        return folder

    def target(self, *targets: Target) -> None:
        """The stacks are these, whatever the files of the project say."""
        made = {each.stack: each for each in targets}
        self.patch.setattr(engine_target, "of", lambda stack, _folder=None: made[stack])

    def engine(self, found: Engine = BACKEND) -> Engine:
        """The engine is this one; without one given, a backend in `backend.json`."""
        self.patch.setattr(bot_engine, "find", lambda **_: found)
        return found

    def no_engine(self, error: Exception) -> None:
        """There is no engine, for this reason."""

        def find(**_: object) -> Engine:
            raise error

        self.patch.setattr(bot_engine, "find", find)

    def vault(self, client: Client) -> None:
        """Approvals are signed by this Vault."""

        @contextmanager
        def vault(_target: Target) -> Iterator[Client]:
            yield client

        self.patch.setattr(vault_client, "connected", vault)

    def mesh(self, *, well: bool = True) -> None:
        """The mesh can be looked at, and is well or not; all of its clusters have one anchor."""
        self.patch.setattr(trust_fleet, "same_anchors", lambda _target: [])
        self.patch.setattr(verify, "refuse_unable", lambda _target: None)
        self.patch.setattr(verify, "prove", lambda *_: [Verification("mesh", "well", "?", well)])
        self.patch.setattr(verify, "settled", lambda look, _show: look())

    def cluster(self, client: Callable[[], Client]) -> None:
        """What is compared with the cluster is read by this client."""

        @contextmanager
        def cluster(_target: Target) -> Iterator[Client]:
            yield client()

        self.patch.setattr(look, "cluster", cluster)

    def quick(self) -> None:
        """Nobody waits for long."""
        self.patch.setattr(look, "SECOND_LOOK_SECONDS", 0.0)
        self.patch.setattr(lock, "TORN_SECONDS", 0)
        self.patch.setattr("bot.deploy.up._RETRY_SECONDS", 0.0)
        self.patch.setattr(waves_run, "POLL_SECONDS", 0.005)

    def terminal(self, answers: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Somebody sits at a terminal and types this."""
        self.patch.setattr("sys.stdin", Terminal(answers, meanwhile))
