"""What a policy is, what it looks at, and what it knows of the stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["mandatory", "advisory"]
PAGE = "docs/policies.md"
OWNER_LABEL = "linkerd-platform.io/owner"
_PROVIDERS = "pulumi:providers:"


@dataclass(frozen=True)
class Context:
    """What the policies know of a stack.

    production: the stack is held to what production needs. expendable: nothing in it is worth
    keeping (the sandbox). failure_policy: what the stack file says for Linkerd's webhooks.
    """

    stack: str
    production: bool
    expendable: bool
    failure_policy: str


@dataclass(frozen=True)
class Options:
    """How a resource is registered; None is what the caller was not told.

    provider: URN of the provider, `""` where there is none. released: an object that Helm applies,
    not the engine.
    """

    protect: bool | None = None
    retain: bool | None = None
    provider: str | None = None
    released: bool = False


@dataclass(frozen=True)
class Subject:
    """One resource with its inputs. custom: False for a component.

    `[secret]` and `[known after apply]` stand for what is not told.
    """

    urn: str
    type: str
    name: str
    props: Mapping[str, Any]
    options: Options = field(default_factory=Options)
    custom: bool = True

    @property
    def is_provider(self) -> bool:
        """True for a provider."""
        return self.type.startswith(_PROVIDERS)

    @property
    def is_object(self) -> bool:
        """True for a Kubernetes object."""
        return self.type.startswith("kubernetes:") and {"apiVersion", "kind"} <= self.props.keys()

    @property
    def kind(self) -> str:
        """`Deployment`; the last part of the type for what is no Kubernetes object."""
        return str(self.props["kind"]) if self.is_object else self.type.rpartition(":")[2]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of a Kubernetes object."""
        found = self.props.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def namespace(self) -> str:
        """Namespace of a Kubernetes object, empty without one."""
        return str(self.metadata.get("namespace") or "")

    @property
    def object_name(self) -> str:
        """Name of the Kubernetes object; the resource's own for anything else."""
        return str(self.metadata.get("name") or self.name)

    @property
    def place(self) -> str:
        """`Deployment linkerd/linkerd-identity`, for a reader."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.object_name}"


ResourceCheck = Callable[[Subject, Context], Iterator[str]]
StackCheck = Callable[[Sequence[Subject], Context], Iterator[tuple[Subject, str]]]


@dataclass(frozen=True)
class Policy:
    """One policy; exactly one of its checks is set.

    check: one resource; yields a text per fault. stack_check: all resources of a stack together.
    remedy: what to do about it, in words.
    """

    id: str
    level: Level
    description: str
    remedy: str
    check: ResourceCheck | None = None
    stack_check: StackCheck | None = None

    @property
    def page(self) -> str:
        """Where the documentation of this policy is."""
        return f"{PAGE}#{self.id}"


@dataclass(frozen=True)
class Breach:
    """A resource that breaks a policy, or that cannot be judged, which counts as the same."""

    policy: Policy
    subject: Subject
    text: str

    @property
    def message(self) -> str:
        """One line: what, where, what to do, and where to read on."""
        return f"{self.subject.place}: {self.text}; {self.policy.remedy} ({self.policy.page})"


class NotToldError(Exception):
    """A policy needs a value that is secret, or known only after an apply.

    `str()` is the path of the value.
    """


def objects(subjects: Iterable[Subject], *kinds: str) -> Iterator[Subject]:
    """The Kubernetes objects of these kinds."""
    return (each for each in subjects if each.is_object and each.kind in kinds)
