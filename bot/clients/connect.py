"""The two servers that the trust commands ask: a stack's API server and its Vault."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.clients import kubeconfig
from bot.clients.https import Client, MissingError, ReadError
from bot.clients.proxies import proxy_for
from bot.clients.target import Target
from bot.exit_codes import BotError, MissingToolError


class Unreadable(BotError):  # noqa: N818  (a state of a server, told in one line)
    """A server does not answer, or refuses; says which and what it said."""


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


@contextmanager
def vault(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault with the token of `VAULT_TOKEN`; raises MissingToolError.

    The sandbox has a token of its own, see `bot.engine.target.embedded_token`.
    """
    config = target.config.vault
    token = target.full_environment().get("VAULT_TOKEN", "")
    if not token:
        raise MissingToolError(
            f"stack {target.stack}: VAULT_TOKEN is not set: log in to {config.address} "
            "(vault login, vault token create) and export it"
        )
    headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
    if config.namespace:
        headers["X-Vault-Namespace"] = config.namespace
    with _vault(target, headers) as client:
        yield client


@contextmanager
def vault_address(target: Target) -> Iterator[Client]:
    """A client of the stack's Vault without a token, for what it tells everybody."""
    with _vault(target, {}) as client:
        yield client


@contextmanager
def _vault(target: Target, headers: dict[str, str]) -> Iterator[Client]:
    config = target.config.vault
    with TemporaryDirectory(prefix="linkerd-platform-") as scratch:
        authority = Path(ssl.get_default_verify_paths().cafile or "")
        if config.ca_pem:
            authority = Path(scratch) / "ca.pem"
            authority.write_text(config.ca_pem, encoding="utf-8")
        elif config.ca_file:
            authority = target.project_dir / config.ca_file
        elif not authority.is_file():
            raise MissingToolError(
                f"stack {target.stack}: no CA certificates on this machine: set vault.caFile"
            )
        proxy = proxy_for(config.address, target.full_environment())
        yield Client(config.address, authority, headers=headers, proxy=proxy)
