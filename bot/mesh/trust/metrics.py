"""The one figure that the trust commands read from Linkerd's metrics."""

from __future__ import annotations

import math
import re

ISSUER_TTL = "issuer_cert_ttl_seconds"
_SAMPLE = re.compile(
    rf"^{ISSUER_TTL}(?:\{{[^}}\n]*\}})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$", re.MULTILINE
)


def issuer_ttl(text: str) -> float | None:
    """Seconds left of the issuer that an identity process signs with; None when not in the text.

    Follows https://prometheus.io/docs/instrumenting/exposition_formats/ and linkerd2
    pkg/identity/service.go. Of several samples the least counts; one that is no number is none.
    """
    values = []
    for sample in _SAMPLE.findall(text):
        try:
            value = float(sample)
        except ValueError:
            continue
        if math.isfinite(value):
            values.append(value)
    return min(values, default=None)
