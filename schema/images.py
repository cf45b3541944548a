"""References of container images, by their grammar."""

from __future__ import annotations

import re

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
