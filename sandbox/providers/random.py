"""The stand-in for pulumi-resource-random."""

from __future__ import annotations

import secrets
import string
from typing import Any

from sandbox.providers.kinds import Refused, ResourceKind, Values
from sandbox.providers.random_kinds import KINDS
from sandbox.providers.standin import StandIn

# As the provider has them: https://www.pulumi.com/registry/packages/random/api-docs/randomstring/
_ALPHABETS = {
    "lower": string.ascii_lowercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
    "upper": string.ascii_uppercase,
}


class Random(StandIn):
    """Values that are made once, and then are in the state and nowhere else."""

    def __init__(self) -> None:
        super().__init__(KINDS)

    def make(self, kind: ResourceKind, inputs: Values) -> tuple[str, dict[str, Any]]:
        """Draw the characters."""
        made = kind.outputs({}, inputs)
        alphabet = "".join(letters for name, letters in _ALPHABETS.items() if made[name])
        if not alphabet:
            raise Refused(f"{kind.token}: no kind of character is left to draw from")
        result = "".join(secrets.choice(alphabet) for _ in range(int(made["length"])))
        return result, {**made, "result": result}

    def read_back(self, kind: ResourceKind, id_: str, state: Values) -> dict[str, Any] | None:
        """The state is all there is."""
        del kind, id_
        return {name: value for name, value in state.items() if name != "id"}

    def remove(self, kind: ResourceKind, id_: str, state: Values) -> None:
        """Nothing is anywhere."""
