"""What a policy is, what it looks at, and what it knows of the stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["mandatory", "advisory"]
PAGE = "docs/policies.md"
OWNER_LABEL = "linkerd-platform.io/owner"
_PROVIDERS = "pulumi:providers:"
# Types of the provider's that stand for many objects, each of which is a resource of its own.
NOT_APPLIED = ("kubernetes:helm.sh/", "kubernetes:yaml", "kubernetes:kustomize")
# Must be the marks that the bot writes: bot/text/hidden_values.py.
SECRET = "[secret]"  # noqa: S105
UNKNOWN = "[known after apply]"
MARKS = (SECRET, UNKNOWN)


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
class CheckedResource:
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
        """True for a Kubernetes object; a chart, a release or a file of manifests is none."""
        return self.type.startswith("kubernetes:") and (
            {"apiVersion", "kind"} <= self.props.keys() or not self.type.startswith(NOT_APPLIED)
        )

    @property
    def is_patch(self) -> bool:
        """True for some fields of an object that is somebody else's."""
        return self.is_object and self.type.endswith("Patch")

    @property
    def kind(self) -> str:
        """`Deployment`, for a reader; the last part of the type where nothing better is told."""
        found = self.props.get("kind") if self.is_object else None
        last = self.type.rpartition(":")[2]
        return found if isinstance(found, str) and not marked(found) else last

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Metadata of a Kubernetes object, for a reader."""
        found = self.props.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def namespace(self) -> str:
        """Namespace of a Kubernetes object, for a reader; empty without one."""
        return str(self.metadata.get("namespace") or "")

    @property
    def object_name(self) -> str:
        """Name of the Kubernetes object, for a reader; the resource's own for anything else."""
        return str(self.metadata.get("name") or self.name)

    @property
    def place(self) -> str:
        """`Deployment linkerd/linkerd-identity`, for a reader."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.object_name}"

    def of_kind(self, *kinds: str) -> bool:
        """Whether it is an object of one of these kinds. Raises NotToldError.

        The type and the inputs both say a kind: what either calls one of these is one.
        """
        if not self.is_object:
            return False
        last = self.type.rpartition(":")[2]
        if last in kinds or last.removesuffix("Patch") in kinds:
            return True
        return self._text("kind", self.props.get("kind")) in kinds

    def named(self, *names: str) -> bool:
        """Whether the object has one of these names. Raises NotToldError."""
        told = self._text("metadata", self.props.get("metadata"))
        name = told.get("name") if isinstance(told, Mapping) else None
        return (self._text("metadata.name", name) or self.name) in names

    def within(self, namespace: str) -> bool:
        """Whether the object is in this namespace. Raises NotToldError.

        Without one it goes wherever the provider's default leads.
        """
        told = self._text("metadata", self.props.get("metadata"))
        found = told.get("namespace") if isinstance(told, Mapping) else None
        if not self._text("metadata.namespace", found):
            raise NotToldError("metadata.namespace", "is not set")
        return bool(found == namespace)

    @staticmethod
    def _text(path: str, found: Any) -> Any:
        if marked(found):
            raise NotToldError(path)
        return found


ResourceCheck = Callable[[CheckedResource, Context], Iterator[str]]
StackCheck = Callable[[Sequence[CheckedResource], Context], Iterator[tuple[CheckedResource, str]]]


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
    subject: CheckedResource
    text: str

    @property
    def message(self) -> str:
        """One line: what, where, what to do, and where to read on."""
        return f"{self.subject.place}: {self.text}; {self.policy.remedy} ({self.policy.page})"


def marked(found: Any) -> bool:
    """True for a text that is not told, or not as a whole."""
    return isinstance(found, str) and any(mark in found for mark in MARKS)


class NotToldError(Exception):
    """A policy needs a value that is secret, known only after an apply, or not set at all.

    path: where the value is. why: what is the matter with it.
    """

    def __init__(self, path: str, why: str = "is secret or known only after an apply") -> None:
        super().__init__(path, why)
        self.path, self.why = path, why

    def __str__(self) -> str:
        return f"cannot be checked: {self.path} {self.why}; write it as a constant"


def holds(*tests: Callable[[], bool]) -> bool:
    """Whether all of these hold. One that does not decides, whatever else is not told.

    Raises the first NotToldError where it could be either.
    """
    missing: NotToldError | None = None
    for test in tests:
        try:
            if not test():
                return False
        except NotToldError as error:
            missing = missing or error
    if missing:
        raise missing
    return True


def sorted_out(
    subjects: Iterable[CheckedResource], test: Callable[[CheckedResource], bool]
) -> tuple[list[CheckedResource], list[tuple[CheckedResource, str]]]:
    """The resources for which a test holds, and those for which it cannot be told, with the text.

    For policies on a whole stack: what cannot be told is a fault of its own resource, and hides no
    other.
    """
    found: list[CheckedResource] = []
    open_: list[tuple[CheckedResource, str]] = []
    for subject in subjects:
        try:
            if test(subject):
                found.append(subject)
        except NotToldError as error:
            open_.append((subject, str(error)))
    return found, open_
