"""What the engine and the bot's own clients are pointed at: a stack, its file, its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot import stacks
from bot.clients import environment
from stack.config import StackConfig


@dataclass(frozen=True)
class Target:
    """One stack as the engine is to see it.

    config_file: stack file instead of `Pulumi.<stack>.yaml`; the engine writes the salt of the
    stack's encryption into it. environment: variables on top of our own. creates: whether the
    stack is made when the backend does not know it.
    """

    stack: str
    project_dir: Path
    config: StackConfig
    config_file: Path | None
    environment: Mapping[str, str]
    creates: bool = False

    @property
    def engine_name(self) -> str:
        """What the engine calls the stack; one that brings its own state is in no organization."""
        own_state = "PULUMI_BACKEND_URL" in self.environment
        return self.stack if own_state else stacks.qualified(self.stack)

    def full_environment(self) -> dict[str, str]:
        """What the engine and the bot's own clients get of the environment."""
        return dict(environment.of(self.environment).values)
