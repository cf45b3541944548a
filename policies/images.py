"""Every container runs an image that cannot change under its name by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.model import Context, Subject
from policies.values import containers, named, told, value

# Their `image` is text, or documentation.
_RUN_NOTHING = ("ConfigMap", "Secret", "CustomResourceDefinition")
# The grammar of a reference: https://pkg.go.dev/github.com/distribution/reference
_HOST = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>.+))?",
    re.ASCII,
)
# What a runtime takes: https://github.com/opencontainers/go-digest, in lower case.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_LONGEST_NAME = 255


def image_pinned(subject: Subject, context: Context) -> Iterator[str]:  # noqa: ARG001
    """An image without a tag, with the tag `latest`, or that is no reference, and no digest.

    Of containers of every kind, and of whatever else has an `image`: resources of operators, which
    make pods of it, and volumes.
    """
    if not subject.is_object or subject.of_kind(*_RUN_NOTHING):
        return
    for path, container in containers(subject):
        image = container.get("image") if isinstance(container, Mapping) else None
        if image is None and not subject.is_patch:  # a patch leaves the image as it is
            yield f"{path}.image is '', which is no fixed version"
    for path, image in _images(subject.props):
        if not (isinstance(image, str) and pinned(image)):
            yield f"{path} is {image!r}, which is no fixed version"


def _images(props: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, found in named(props, "image"):
        told(found, path)
        if not isinstance(found, Mapping):
            if found is not None:
                yield path, found
        elif "reference" in found:  # of a volume
            yield f"{path}.reference", value(found, "reference")


def pinned(image: str) -> bool:
    """True for a reference with a digest, or with a tag other than `latest`.

    What is no reference is none: a runtime would refuse it, or read it in its own way.
    """
    found = _REFERENCE.fullmatch(image)
    if found is None or len(found["name"]) > _LONGEST_NAME:
        return False
    if found["digest"] is not None:
        return bool(_DIGEST.fullmatch(found["digest"]))
    return found["tag"] is not None and found["tag"].lower() != "latest"
