"""The stand-in for pulumi-resource-vault: Vault's HTTP API with the token of the environment.

The provider makes itself a child token first; the sandbox's Vault is gone with the sandbox.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import Any

from pulumi.provider.experimental import provider as sdk

from bot.clients.https import Answer, Client
from sandbox.providers.kinds import Refused, ResourceKind, Values, dig
from sandbox.providers.standin import StandIn, plain, properties
from sandbox.providers.vault_kinds import FUNCTIONS, KINDS

_CONFIG = frozenset(
    {
        *("address", "caCertFile", "maxLeaseTtlSeconds", "maxRetries", "namespace"),
        *("setNamespaceFromToken", "skipChildToken", "skipTlsVerify", "token", "version"),
    }
)
# What the plugin would do where one of them is true, and the stand-in does not.
_NEVER = ("setNamespaceFromToken", "skipTlsVerify")
_UNSET = ("", "false")
_GONE = ("No secret engine mount at", "No auth engine at")
# A new KV mount says so for a moment; a server that starts or hands over says 5xx.
_SOON = "Upgrading from non-versioned to versioned"
_WAIT_SECONDS = 20.0
_PATIENCE_SECONDS = 60.0


class Vault(StandIn):
    """Resources of one Vault."""

    def __init__(self) -> None:
        super().__init__(KINDS)
        self._client: Client | None = None

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        """Take address, authority and namespace of the provider, the token of the environment."""
        config = {name: value for name, value in plain(request.args).items() if value is not None}
        unknown = [name for name in config if name not in _CONFIG and name[:2] != "__"]
        unknown += [name for name in _NEVER if str(config.get(name, "")).lower() not in _UNSET]
        if unknown:
            what = ", ".join(sorted(unknown))
            raise Refused(f"the sandbox's stand-in for pulumi-resource-vault does not take: {what}")
        token = config.get("token") or os.environ.get("VAULT_TOKEN")
        if not token:
            raise Refused("no token for Vault: set VAULT_TOKEN")
        found = config.get("caCertFile") or os.environ.get("VAULT_CACERT")
        authority = Path(found or ssl.get_default_verify_paths().cafile or "")
        if not authority.is_file():
            raise Refused(f"no CA certificate for Vault at {found or 'VAULT_CACERT (not set)'}")
        headers = {"X-Vault-Token": token, "X-Vault-Request": "true"}
        if namespace := config.get("namespace"):
            headers["X-Vault-Namespace"] = namespace
        self._client = Client(str(config["address"]).rstrip("/"), authority, headers=headers)
        return await super().configure(request)

    async def invoke(self, request: sdk.InvokeRequest) -> sdk.InvokeResponse:
        """Read what a function asks for."""
        function, arguments = FUNCTIONS.get(request.tok), plain(request.args)
        unknown = [name for name in arguments if not function or name not in function.arguments]
        if function is None or unknown:
            what = f"{unknown[0]} of {request.tok}" if function else request.tok
            raise Refused(
                f"{what}: the sandbox's stand-in does not know it; install the plugin "
                "pulumi-resource-vault"
            )
        path = function.path.format(**arguments)
        answer = await asyncio.to_thread(self._read, path)
        if answer is None:
            raise Refused(f"{request.tok}: nothing found at {path} in Vault")
        found: dict[str, Any] = {**arguments, "id": path}
        if "path" not in found and "name" in arguments:
            found["path"] = path
        for each in function.results:
            value = dig(answer, each.place)
            value = each.absent if value is None else each.decode(value)
            if value is not None:
                found[each.name] = value
        made = properties(found, {})
        for each in function.results:
            if each.secret and each.name in made:
                made[each.name] = made[each.name].with_secret(True)
        return sdk.InvokeResponse(made)

    def make(self, kind: ResourceKind, inputs: Values) -> tuple[str, dict[str, Any]]:
        """Write it part by part, then read it back."""
        id_ = "" if kind.returned else kind.id.format(**inputs)
        answer: dict[str, Any] = {}
        for path, part in kind.create.items():
            answer = self._write(path.format(**inputs, id=id_), kind.body(part, inputs, {}))
        if kind.returned:
            made = kind.outputs(answer, inputs)
            return kind.id.format(**made), made
        found = self.read_back(kind, id_, inputs)
        if found is None:
            raise Refused(f"{kind.token}: {id_} is not there after it was made")
        return id_, found

    def read_back(self, kind: ResourceKind, id_: str, state: Values) -> dict[str, Any] | None:
        """Read its parts; only the first must be there."""
        answer: dict[str, Any] = {"id": id_}
        for place, path in kind.reads.items():
            found = self._read(path.format(**{**state, "id": id_}))
            if found is None and not place:
                return None
            answer |= {place: found or {}} if place else found or {}
        return kind.outputs({} if kind.returned else answer, state)

    def write(self, kind: ResourceKind, id_: str, inputs: Values, state: Values) -> dict[str, Any]:
        """Write the part that can be changed, then read it back."""
        wanted_id = id_ if kind.returned else kind.id.format(**inputs)
        if wanted_id != id_:
            raise Refused(
                f"{kind.token}: the sandbox's stand-in does not move {id_} to {wanted_id}: install "
                "the plugin pulumi-resource-vault, or make the sandbox anew (make sandbox-down)"
            )
        for path, part in kind.update.items():
            self._write(path.format(**{**state, "id": id_}), kind.body(part, inputs, state))
        kept = {each.name: state[each.name] for each in kind.fields if each.name in state}
        given = {each.name for each in kind.fields if each.given and not each.computed}
        wanted = {name: value for name, value in kept.items() if name not in given} | dict(inputs)
        found = self.read_back(kind, id_, wanted)
        if found is None:
            raise Refused(f"{kind.token}: {id_} is gone; refresh (--refresh) and try again")
        return found

    def remove(self, kind: ResourceKind, id_: str, state: Values) -> None:
        """Delete it; who is not there needs no deletion."""
        if kind.delete:
            self._asked("DELETE", kind.delete.format(**{**state, "id": id_}))

    def lost(self, kind: ResourceKind, state: Values) -> str | None:
        """An issuer that was deleted is made again."""
        if not kind.returned or not state.get("issuerId"):
            return None
        path = f"{state['backend']}/issuer/{state['issuerId']}"
        answer = self._request("GET", path)
        return "issuerId" if "unable to find PKI issuer" in _errors(answer) else None

    def _read(self, path: str) -> dict[str, Any] | None:
        answer = self._asked("GET", path)
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        return data if isinstance(data, dict) else None

    def _write(self, path: str, body: Values) -> dict[str, Any]:
        answer = self._asked("POST", path, dict(body))
        data = answer.body.get("data") if isinstance(answer.body, dict) else None
        return data if isinstance(data, dict) else {}

    def _asked(self, method: str, path: str, body: object = None) -> Answer:
        """Ask once; what is not there is no error where it is read or deleted. Raises Refused."""
        answer = self._request(method, path, body)
        said = _errors(answer)
        gone = answer.status == 404 or said.startswith(_GONE)
        if answer.ok or (gone and method != "POST"):
            return answer if answer.ok else Answer(answer.status)
        if answer.status == 0:
            raise Refused(f"Vault at {self._reached.base} does not answer")
        raise Refused(f"Vault: {method} {path}: {answer.status} {said or 'no reason given'}")

    def _request(self, method: str, path: str, body: object = None) -> Answer:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            answer = self._reached.request(method, f"/v1/{path}", body, seconds=_PATIENCE_SECONDS)
            soon = _SOON in _errors(answer) or answer.status in (502, 503)
            if not soon or time.monotonic() > deadline:
                return answer
            time.sleep(0.25)

    @property
    def _reached(self) -> Client:
        if self._client is None:
            raise Refused("the provider of Vault has no configuration yet")
        return self._client


def _errors(answer: Answer) -> str:
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    return " ".join("; ".join(map(str, errors or [])).split())
