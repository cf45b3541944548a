"""fortio, as load generator and as server: its arguments, and what it reports.

https://github.com/fortio/fortio (README, `fortio help`); its JSON is fhttp.HTTPRunnerResults.
"""

from __future__ import annotations

import json

from bot.exit_codes import BotError
from bot.mesh.latency.model import QUANTILES, Load, Measured

# By version: nobody computed the digest of the image for all platforms.
# renovate: datasource=docker depName=docker.io/fortio/fortio
VERSION = "1.66.3"
IMAGE = "docker.io/fortio/fortio"
PORT = 8080
# Buckets of 50 microseconds: the usual ones of a millisecond are wider than a proxy's share.
_RESOLUTION = "0.00005"


def server(address: str = "") -> list[str]:
    """Arguments of the server that answers at once, at a port of this address."""
    at = f"{address}:{PORT}" if address else str(PORT)
    off = (f"-{each}-port=disabled" for each in ("grpc", "redirect", "tcp", "udp"))
    return ["server", f"-http-port={at}", *off, "-loglevel=Warning"]


def load(url: str, wanted: Load, seconds: int) -> list[str]:
    """Arguments of one run against this address; its report is on standard output."""
    return [
        "load",
        f"-qps={wanted.rate}",
        f"-c={wanted.connections}",
        f"-t={seconds}s",
        "-uniform",
        "-nocatchup",
        f"-r={_RESOLUTION}",
        f"-p={','.join(map(str, QUANTILES))}",
        "-allow-initial-errors",
        "-loglevel=Error",
        "-json=-",
        url,
    ]


def measured(output: str) -> Measured:
    """What fortio reports, between the other lines of a log; raises BotError for no report."""
    lines = output.splitlines()
    try:
        start = lines.index("{")
        document = json.loads("\n".join(lines[start : lines.index("}", start) + 1]))
        histogram = document["DurationHistogram"]
        percentiles = {
            round(each["Percentile"]): each["Value"] * 1000 for each in histogram["Percentiles"]
        }
        codes = {str(code): int(count) for code, count in document["RetCodes"].items()}
        requests = sum(codes.values())
        return Measured(
            latency={each: float(percentiles[each]) for each in QUANTILES},
            requests=requests,
            errors=requests - codes.get("200", 0),
            reached=float(document["ActualQPS"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        said = next((each for each in reversed(lines) if each.strip()), "nothing")
        raise BotError(f"fortio gave no report; its last line: {said[:300]}") from None
