"""Every container runs an image that cannot change under its name by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.model import CheckedResource, Context
from policies.values import containers, named, told, value
from schema.images import pinned

# Their `image` is text, or documentation.
_RUN_NOTHING = ("ConfigMap", "Secret", "CustomResourceDefinition")


def image_pinned(subject: CheckedResource, context: Context) -> Iterator[str]:  # noqa: ARG001
    """An image without a tag, with the tag `latest`, or that is no reference, and no digest.

    Of containers of every kind, and of whatever else has an `image`: resources of operators, which
    make pods of it, and volumes.
    """
    if not subject.is_object or subject.of_kind(*_RUN_NOTHING):
        return
    for path, container in containers(subject):
        image = container.get("image") if isinstance(container, Mapping) else None
        if image is None and not subject.is_patch:  # a patch leaves the image as it is
            yield f"{path}.image is '', which is not a fixed version"
    for path, image in _images(subject.props):
        if not (isinstance(image, str) and pinned(image)):
            yield f"{path} is {image!r}, which is not a fixed version"


def _images(props: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, found in named(props, "image"):
        told(found, path)
        if not isinstance(found, Mapping):
            if found is not None:
                yield path, found
        elif "reference" in found:  # of a volume
            yield f"{path}.reference", value(found, "reference")
