"""`python -m sandbox.providers NAME ADDRESS`: a stand-in, started by the engine as its plugin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version

from sandbox.providers.random import Random
from sandbox.providers.standin import StandIn, serve
from sandbox.providers.vault import Vault

_STANDINS: dict[str, Callable[[], StandIn]] = {"random": Random, "vault": Vault}


def main(name: str, engine_address: str) -> None:
    """Serve the engine at an address as the provider of this name."""
    serve(engine_address, version(f"pulumi-{name}"), _STANDINS[name]())


if __name__ == "__main__":
    main(*sys.argv[1:3])
