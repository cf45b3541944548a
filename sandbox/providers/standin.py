"""A provider that is a table: what the engine asks, answered from kinds of resources.

The protocol is the SDK's: https://pulumi-developer-docs.readthedocs.io/latest/docs/_generated/proto/provider.html
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import rpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.providers.kinds import UNKNOWN, Refused, ResourceKind, Values, is_unknown

Properties = Mapping[str, PropertyValue]


class StandIn(sdk.Provider):
    """A provider without its plugin, for the kinds of resources that it is given.

    What is asked of a server blocks, so that each request has a thread.
    """

    def __init__(self, kinds: Mapping[str, ResourceKind]) -> None:
        self.kinds = kinds

    def make(self, kind: ResourceKind, inputs: Values) -> tuple[str, dict[str, Any]]:
        """Make a resource; its id and outputs."""
        raise NotImplementedError

    def read_back(self, kind: ResourceKind, id_: str, state: Values) -> dict[str, Any] | None:
        """The outputs as they are now; None where the resource is gone."""
        raise NotImplementedError

    def write(self, kind: ResourceKind, id_: str, inputs: Values, state: Values) -> dict[str, Any]:
        """Change a resource; its outputs."""
        raise NotImplementedError

    def remove(self, kind: ResourceKind, id_: str, state: Values) -> None:
        """Delete a resource; one that is gone is deleted."""
        raise NotImplementedError

    def lost(self, kind: ResourceKind, state: Values) -> str | None:
        """The output that has to be made again, whatever the program says."""
        del kind, state
        return None

    def kind(self, type_: str) -> ResourceKind:
        """The kind of a type, as an URN has it: behind those of its parents. Raises Refused."""
        token = type_.rpartition("$")[2]
        if token not in self.kinds:
            raise Refused(
                f"{token}: the sandbox's stand-in does not know this type; install the plugin "
                f"pulumi-resource-{token.partition(':')[0]}"
            )
        return self.kinds[token]

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Defaults, and one line for what the stand-in does not know."""
        inputs, faults = self.kind(request.type).checked(plain(request.new_inputs))
        return sdk.CheckResponse(
            properties(inputs, request.new_inputs),
            [sdk.CheckFailure(name, reason) for name, reason in faults.items()],
        )

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """What changes, and whether that replaces the resource."""
        kind = self.kind(request.type)
        state, inputs = plain(request.old_state), plain(request.new_inputs)
        changed = {each.name: each.replaces for each in kind.changes(state, inputs)}
        lost = await asyncio.to_thread(self.lost, kind, state)
        if lost:
            changed[lost] = True
        changed = {
            name: replaces
            for name, replaces in changed.items()
            if name not in request.ignore_changes
        }
        return sdk.DiffResponse(
            changes=bool(changed),
            replaces=[name for name, replaces in changed.items() if replaces],
            diffs=list(changed),
            detailed_diff={
                name: sdk.PropertyDiff(_difference(state, inputs, name, replaces), False)
                for name, replaces in changed.items()
            },
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        """Make it, or say what it would be."""
        kind, inputs = self.kind(request.type), plain(request.properties)
        if request.preview:
            planned = kind.planned(inputs, None)
            return sdk.CreateResponse(None, self._outputs(kind, planned, request.properties))
        id_, made = await asyncio.to_thread(self.make, kind, inputs)
        return sdk.CreateResponse(id_, self._outputs(kind, {"id": id_, **made}, request.properties))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        """Change it, or say what it would be."""
        kind, inputs, state = self.kind(request.type), plain(request.news), plain(request.olds)
        if request.preview:
            made = kind.planned(inputs, state)
        else:
            made = await asyncio.to_thread(self.write, kind, request.resource_id, inputs, state)
        made = {"id": request.resource_id, **made}
        return sdk.UpdateResponse(self._outputs(kind, made, request.news))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        """What is there now; the inputs follow what others have changed."""
        kind, id_ = self.kind(request.type), request.resource_id
        state = {**kind.named(id_), **plain(request.properties)}
        found = await asyncio.to_thread(self.read_back, kind, id_, state)
        if found is None:
            return sdk.ReadResponse("")
        inputs = plain(request.inputs)
        for each in kind.fields:
            if each.given and (each.name in inputs or not request.inputs):
                now = found.get(each.name)
                if each.normal(now) != each.normal(inputs.get(each.name)):
                    inputs[each.name] = now
        inputs = {name: value for name, value in inputs.items() if value is not None}
        return sdk.ReadResponse(
            id_,
            self._outputs(kind, {"id": id_, **found}, request.properties),
            properties(inputs, request.inputs),
        )

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """Delete it."""
        kind, state = self.kind(request.type), plain(request.properties)
        await asyncio.to_thread(self.remove, kind, request.resource_id, state)

    def _outputs(
        self, kind: ResourceKind, values: Values, secrets: Properties
    ) -> dict[str, PropertyValue]:
        """As the plugin marks them: what is a secret by its type, or was given as one."""
        made = properties(values, secrets)
        for each in kind.fields:
            if each.secret and each.name in made:
                made[each.name] = made[each.name].with_secret(True)
        return made


def _difference(state: Values, inputs: Values, name: str, replaces: bool) -> sdk.PropertyDiffKind:
    kind = "ADD" if state.get(name) is None else "UPDATE" if name in inputs else "DELETE"
    return sdk.PropertyDiffKind[f"{kind}_REPLACE" if replaces else kind]


def plain(values: Properties) -> dict[str, Any]:
    """The values without their marks; UNKNOWN for what is not known yet."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(given: PropertyValue) -> Any:
    value = given.value
    if value == rpc.UNKNOWN:
        return UNKNOWN
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    # The protocol has no whole numbers, and Vault takes no `256.0`.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def properties(values: Values, marked: Properties) -> dict[str, PropertyValue]:
    """The values for the engine; secret is what was `marked` so."""
    return {
        name: _property(value).with_secret(name in marked and marked[name].contains_secret())
        for name, value in values.items()
    }


def _property(value: Any) -> PropertyValue:
    if value is UNKNOWN:
        # The SDK's own value for it is one that it cannot write.
        return PropertyValue(rpc.UNKNOWN)
    if isinstance(value, Mapping):
        return PropertyValue({name: _property(item) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return PropertyValue([_property(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return PropertyValue(value)


Method = Callable[[Any, Any, Any], Awaitable[Any]]


def _told(method: Method) -> Method:
    """The method, with what was refused as the error's one line: the SDK adds a traceback."""

    async def told(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except Exception as error:
            refused = error.__context__
            if not isinstance(refused, Refused):
                raise
            return await context.abort(grpc.StatusCode.UNKNOWN, str(refused))

    return told


class _Servicer(ProviderServicer):
    """The SDK's servicer, which tells what was refused in one line."""


for _name in ("Check", "Configure", "Create", "Delete", "Diff", "Invoke", "Read", "Update"):
    setattr(_Servicer, _name, _told(getattr(ProviderServicer, _name)))


def serve(engine_address: str, version: str, provider: sdk.Provider) -> None:
    """Serve the engine until it ends this process; the port is the first line of the output."""
    # What was refused is told by the engine; here it would be told twice.
    logging.getLogger("grpc").setLevel(logging.CRITICAL + 1)

    async def run() -> None:
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        servicer = _Servicer([], version, provider, engine_address)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await server.wait_for_termination()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        # The engine decides when its plugins end; an interrupt reaches them too.
        return


__all__ = ["UNKNOWN", "StandIn", "is_unknown", "plain", "properties", "serve"]
