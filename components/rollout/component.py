"""Namespaces in the mesh: labels and annotations on namespaces that may belong to somebody else.

A namespace is patched by server-side apply with a field manager of our own. Who owns it, and what
else is on it, stays as it is; a destroy takes our keys off again, and never the namespace:
https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.base import Args, Component, Manifest

FIELD_MANAGER = "linkerd-platform"
INJECT = "linkerd.io/inject"
# Tells who looks at a namespace what the plan says of it; the admission guards select by it.
STATE_LABEL = "linkerd-platform.io/mesh"
MAY_OPT_OUT = "linkerd-platform.io/may-opt-out"
OPT_OUT = "opt-out"


class MeshedNamespace(Args):
    """What one namespace is to have: the merged wishes of rollout, policy and workload defaults.

    state: `opt-in`, `on` or `opt-out`. may_opt_out: workloads as `Deployment/legacy` that the plan
    lets stay outside. annotations: what policy and workload defaults say; none of ours.
    """

    name: str
    state: str
    may_opt_out: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}


class RolloutArgs(Args):
    """The namespaces, each once."""

    namespaces: tuple[MeshedNamespace, ...]


class Rollout(Component, area="mesh"):
    """One patch per namespace, all at once: none waits for another.

    policies: what a namespace's annotations need by its name, such as the allowances of `deny`.
    """

    def __init__(
        self,
        name: str,
        args: RolloutArgs,
        opts: pulumi.ResourceOptions | None = None,
        policies: Mapping[str, Sequence[pulumi.Resource]] | None = None,
    ) -> None:
        super().__init__(name, opts)
        for each in args.namespaces:
            manifest = namespace_patch(each)
            after = (policies or {}).get(each.name, ())
            pulumi.CustomResource(
                "kubernetes:core/v1:NamespacePatch",
                f"{name}-{each.name}",
                manifest,
                self.child(*after),
            )
        self.done(namespaces=[each.name for each in args.namespaces])


def namespace_patch(args: MeshedNamespace) -> Manifest:
    """The labels and annotations of a namespace that are ours; nothing else of it is touched.

    Raises ValueError where an annotation of another part is one that the rollout decides.
    Follows https://linkerd.io/2/features/proxy-injection/
    """
    inject = {"on": "enabled", "opt-in": "", OPT_OUT: "disabled"}[args.state]
    own = {INJECT: inject, MAY_OPT_OUT: ",".join(args.may_opt_out)}
    if twice := own.keys() & args.annotations.keys():
        raise ValueError(f"{args.name}: {', '.join(sorted(twice))}: the rollout writes it alone")
    annotations = {key: value for key, value in own.items() if value} | dict(args.annotations)
    metadata = {
        "name": args.name,
        "labels": {STATE_LABEL: args.state},
        "annotations": {
            **dict(sorted(annotations.items())),
            # Ours and nobody else's fields; whoever wrote one of them before loses it to the plan.
            "pulumi.com/patchFieldManager": FIELD_MANAGER,
            "pulumi.com/patchForce": "true",
        },
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def merged(*wishes: Mapping[str, str]) -> dict[str, str]:
    """The annotations of several parts for one namespace.

    Raises ValueError where two parts say different things of the same key: there is no order
    between them that a reader would guess.
    """
    made: dict[str, str] = {}
    for wish in wishes:
        for key, value in wish.items():
            if made.setdefault(key, value) != value:
                raise ValueError(f"{key}: one part says {made[key]!r}, another {value!r}")
    return made
