"""Every container runs an image that cannot change under its name by itself."""

from __future__ import annotations

from collections.abc import Iterator

from policies.model import Context, Subject
from policies.values import containers, value


def image_pinned(subject: Subject, context: Context) -> Iterator[str]:  # noqa: ARG001
    """An image without a tag, or with the tag `latest`, and no digest either."""
    for path, container in containers(subject):
        image = value(container, "image")
        if not pinned(str(image or "")):
            yield f"{path}.image is {str(image or '')!r}, which is no fixed version"


def pinned(image: str) -> bool:
    """True for a reference with a digest, or with a tag other than `latest`.

    https://github.com/distribution/reference
    """
    if "@" in image:
        return bool(image.partition("@")[2])
    _, _, tag = image.rpartition("/")[2].partition(":")
    return bool(tag) and tag != "latest"
