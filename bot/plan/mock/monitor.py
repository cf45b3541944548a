"""A mock monitor that sees what the SDK's own leaves out: options, parents, order, providers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks, settings
from pulumi.runtime.proto import resource_pb2

from bot.plan.mock.values import plain, shared, throwaway_certificate

STACK_TYPE = "pulumi:pulumi:Stack"
_ROOT_CERT = "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert"
# What reads a certificate back, and the answer.
_READS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "vault:kv/getSecretV2:getSecretV2": lambda pem: {"data": {"certificate": pem}},
    "vault:pkiSecret/getBackendIssuer:getBackendIssuer": lambda pem: {"certificate": pem},
}
Transform = pulumi.ResourceTransform


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it was asked for, stack transforms applied.

    `inputs` are plain values without secrets; `provider` is the provider's URN; `dependencies` are
    URNs, of the children where it depends on a component. `remote` is True for a component that the
    provider makes, such as a Chart. `aliases` are URNs that it may have had, its parents' included.
    """

    urn: str
    type: str
    name: str
    parent: str | None
    inputs: Mapping[str, Any]
    protect: bool
    retain_on_delete: bool
    dependencies: tuple[str, ...]
    provider: str | None
    custom: bool
    remote: bool = False
    outputs_registered: bool = False
    aliases: tuple[str, ...] = ()


def transformed(resource: Resource, transforms: Sequence[Transform]) -> Resource:
    """The resource after the stack transforms; the SDK's mock monitor only records them."""
    for transform in transforms:
        options = pulumi.ResourceOptions(
            protect=resource.protect, retain_on_delete=resource.retain_on_delete
        )
        result = transform(
            pulumi.ResourceTransformArgs(
                custom=resource.custom,
                type_=resource.type,
                name=resource.name,
                props=dict(resource.inputs),
                opts=options,
            )
        )
        if isinstance(result, Awaitable):
            raise TypeError("a stack transform must answer at once, not be awaited")
        if result is not None:
            resource = replace(
                resource,
                inputs=dict(result.props),
                protect=bool(result.opts.protect),
                retain_on_delete=bool(result.opts.retain_on_delete),
            )
    return resource


class _NoMocks(mocks.Mocks):
    """The monitor below answers by itself."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError(args.token)


class RecordingMonitor(mocks.MockMonitor):
    """Answers every request as the engine would, and keeps it.

    In a preview ids and outputs stay unknown, as for a stack that was never applied.
    """

    def __init__(self, preview: bool) -> None:
        super().__init__(_NoMocks())
        self.preview = preview
        self.recorded: dict[str, Resource] = {}
        self.exports: dict[str, Any] = {}
        self.twice: str | None = None

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """The engine's URN: the types of all parents but the stack's, then the name."""
        parent_type = parent.split("::")[2] if parent else STACK_TYPE
        qualified = type_ if parent_type == STACK_TYPE else f"{parent_type}${type_}"
        stack, project = settings.get_stack(), settings.get_project()
        return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Record the request; the outputs are the inputs."""
        urn = shared(self.make_urn(request.parent, request.type, request.name))
        if request.type == STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if urn in self.recorded:
            self.twice = urn
            raise ValueError(f"two resources with the URN {urn}")
        package, parent = request.type.split(":")[0], shared(request.parent)
        provider = request.provider or request.providers.get(package, "")
        resource = Resource(
            urn=urn,
            type=shared(request.type),
            name=request.name,
            parent=None if f"::{STACK_TYPE}::" in parent else parent or None,
            inputs=plain(request.object),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            dependencies=tuple(sorted(map(shared, request.dependencies))),
            provider=shared(provider.rpartition("::")[0]) or None,
            custom=request.custom,
            remote=request.remote,
            aliases=tuple(self._aliases(request)),
        )
        self.recorded[urn] = transformed(resource, self.get_registered_transforms())
        outputs = struct_pb2.Struct()
        outputs.CopyFrom(request.object)
        if request.type == _ROOT_CERT and not self.preview:
            outputs["certificate"] = throwaway_certificate()
        known = request.custom and not self.preview
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=f"{request.name}-id" if known else "", object=outputs
        )

    def _aliases(self, request: Any) -> Iterator[str]:
        """As the engine's `generateAliases`: own ones, and those that follow from a parent's."""
        parent, name = request.parent, request.name
        above = self.recorded.get(parent)
        parents = [(parent, name)]
        for old in above.aliases if above else ():
            # Children are called after their parent.
            rest = name.removeprefix(above.name) if above else name
            parents.append((old, name if rest == name else old.rpartition("::")[2] + rest))
        for number, (old, called) in enumerate(parents):
            if number:
                yield self.make_urn(old, request.type, called)
            for alias in request.aliases:
                spec = alias.spec
                under = "" if spec.noParent else spec.parentUrn or old
                yield alias.urn or self.make_urn(
                    under, spec.type or request.type, spec.name or called
                )

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """Mark the component as complete; the outputs of the stack are its exports."""
        if f"::{STACK_TYPE}::" in request.urn:
            self.exports = plain(request.outputs)
        else:
            done = replace(self.recorded[request.urn], outputs_registered=True)
            self.recorded[request.urn] = done
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        """Unknown in a preview: nothing outside is read."""
        if self.preview or request.tok not in _READS:
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        found = struct_pb2.Struct()
        found.update(_READS[request.tok](throwaway_certificate()))
        return resource_pb2.ResourceInvokeResponse(**{"return": found})
