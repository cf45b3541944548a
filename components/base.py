"""What every component is made with: its type token, its children's options, its objects."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pulumi
from pydantic import BaseModel, ConfigDict

Manifest = dict[str, Any]
# The SDK's own four frames, the constructor of ours, and who called it, which is the position.
_FRAMES = 6


@contextlib.contextmanager
def _short_trace() -> Iterator[None]:
    """With each resource the SDK sends a stack trace, a fifth of what it costs: its end is enough.

    The position that it tells of a resource is the same.
    """
    limit = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = _FRAMES
    try:
        yield
    finally:
        if limit is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = limit


class Args(BaseModel):
    """Base of a component's arguments: plain values, closed, frozen, checked when made."""

    # An address may have a login in it: no error quotes what it was given.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Component(pulumi.ComponentResource):
    """Base of every component.

    A subclass says its area (`class Linkerd(Component, area="mesh")`), makes its children with
    `self.child(...)` as their options, and ends with `self.done(...)`.
    """

    type_token: ClassVar[str]

    def __init_subclass__(cls, area: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.type_token = f"linkerd-platform:{area}:{cls.__name__}"

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        with _short_trace():
            super().__init__(self.type_token, name, None, opts)
        self.name = name
        after = (opts.depends_on if opts else None) or []
        self._after: Sequence[Any] = after if isinstance(after, Sequence) else [after]

    def child(
        self, *after: pulumi.Resource, opts: pulumi.ResourceOptions | None = None
    ) -> pulumi.ResourceOptions:
        """Options of a child: its parent, and everything it must come after.

        What the component depends on is written into each child, because the engine keeps a
        component's own order for creation only: a destroy goes by the children's dependencies.
        """
        # Who comes after a sibling comes after all of that already: where objects are thousands,
        # each dependency is a tenth of what one costs, and a line of the state.
        inherited = () if any(each in self._childResources for each in after) else self._after
        own = pulumi.ResourceOptions(parent=self, depends_on=[*inherited, *after])
        return pulumi.ResourceOptions.merge(own, opts) if opts else own

    def apply(
        self,
        manifest: Manifest,
        *after: pulumi.Resource,
        name: str | None = None,
        wait_for: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> KubernetesObject:
        """Make one Kubernetes object, called `<component>-<name>`, by default after its own name.

        `wait_for` is a `pulumi.com/waitFor` expression such as `condition=Ready`, see
        https://www.pulumi.com/registry/packages/kubernetes/annotations/#pulumicomwaitfor
        """
        if wait_for:
            metadata = manifest["metadata"]
            annotations = {**metadata.get("annotations", {}), "pulumi.com/waitFor": wait_for}
            manifest = {**manifest, "metadata": {**metadata, "annotations": annotations}}
        suffix = name or manifest["metadata"]["name"]
        return KubernetesObject(f"{self.name}-{suffix}", manifest, self.child(*after, opts=opts))

    def done(self, **outputs: Any) -> None:
        """Register the outputs; the last line of every component."""
        self.register_outputs(outputs)


class KubernetesObject(pulumi.CustomResource):
    """Any Kubernetes object from its manifest, built-in kinds and custom resources alike.

    The token is the one of the kubernetes provider's own class for a built-in kind, so that
    policies and diffs see the usual types; the generated Python classes would cost 0.25 s to
    import. Each entry of a Secret is marked secret. Its only outputs are `urn` and `id`.
    """

    def __init__(
        self, name: str, manifest: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        api_version, kind = manifest["apiVersion"], manifest["kind"]
        props: dict[str, Any] = dict(manifest)
        if kind == "Secret":
            for key in ("data", "stringData"):
                if isinstance(entries := props.get(key), Mapping):
                    # Each on its own: a diff, and a policy, may know the names.
                    props[key] = {k: pulumi.Output.secret(v) for k, v in entries.items()}
                elif key in props:
                    props[key] = pulumi.Output.secret(entries)
        group_version = api_version if "/" in api_version else f"core/{api_version}"
        with _short_trace():
            super().__init__(f"kubernetes:{group_version}:{kind}", name, props, opts)
        for key in props:
            # Nobody reads what the server made of it: objects are waited for. As an output each
            # property would be kept twice, with a task, for as long as the object is.
            delattr(self, key)
