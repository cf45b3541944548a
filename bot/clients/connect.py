"""The two servers that the trust commands ask: a stack's API server and its Vault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bot.clients import kubeconfig
from bot.clients.https import Client, MissingError, ReadError, Unreadable
from bot.clients.target import Target
from bot.exit_codes import MissingToolError


@contextmanager
def cluster(target: Target) -> Iterator[Client]:
    """A client of the stack's API server, as its kubeconfig says.

    Raises MissingToolError where there is no kubeconfig, context or credential program, and
    Unreadable.
    """
    config = target.config.cluster
    if config is None:
        raise Unreadable(f"stack {target.stack} has no cluster")
    reached = kubeconfig.reached(
        config.kubeconfig, config.context, target.full_environment(), target.project_dir
    )
    with ExitStack() as opened:
        try:
            client = opened.enter_context(reached)
        except MissingError as error:
            raise MissingToolError(f"stack {target.stack}: {error}") from None
        except ReadError as error:
            raise Unreadable(f"stack {target.stack}: {error}") from None
        yield client
