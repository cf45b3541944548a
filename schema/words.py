"""Value types of the sections about workloads: dates, ports, quantities, labels, their files.

Each refuses what it cannot use with what to write instead, as `schema.values` does.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from schema.values import ValueKind, kubernetes_name, shown

# What `kubectl` calls them in short, and the kind that the API server knows.
WORKLOAD_KINDS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "sts": "StatefulSet",
    "statefulset": "StatefulSet",
    "ds": "DaemonSet",
    "daemonset": "DaemonSet",
    "job": "Job",
    "cronjob": "CronJob",
}
_QUANTITY = re.compile(r"([0-9]+(\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)


def calendar_date(text: str) -> str:
    """A day such as `2026-12-01`; raises ValueError otherwise."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"{shown(text)} is not a date: write it in quotes, like '2026-12-01'")


def port_range(text: str) -> str:
    """A port, or a range as `8000-8100`; raises ValueError otherwise.

    Follows linkerd2 pkg/util/parsing.go: a range is ascending, a port is 1 to 65535 here, for no
    traffic goes to port 0.
    """
    numbers = [int(part) for part in text.split("-")] if _digits(text) else []
    good = 1 <= len(numbers) <= 2 and numbers == sorted(numbers)
    if good and all(1 <= number <= 65535 for number in numbers):
        return text
    raise ValueError(f"{shown(text)} is not a port: write 8080, or '8000-8100' for a range")


def _digits(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text) is not None


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def quantity(text: str) -> str:
    """A Kubernetes quantity above zero, such as `100m` or `64Mi`; raises ValueError otherwise.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = _QUANTITY.fullmatch(text)
    if match and float(match[1]) > 0:
        return text
    raise ValueError(f"{shown(text)} is not a quantity: write it like 100m (CPU) or 64Mi (memory)")


def workload(text: str) -> str:
    """A workload as `<kind>/<name>`, its kind as the API server has it: `Deployment/legacy`.

    Raises ValueError where the kind is unknown or the name is none.
    """
    kind, _, name = text.partition("/")
    known = WORKLOAD_KINDS.get(kind.lower())
    if known is None or not name:
        kinds = "deploy, sts, ds, job or cronjob"
        raise ValueError(f"{shown(text)} is not a workload: write <kind>/<name>, with {kinds}")
    return f"{known}/{kubernetes_name(name)}"


def label_key(text: str) -> str:
    """The key of a label, with a prefix or not; raises ValueError otherwise."""
    if len(text) <= 253 and _LABEL_KEY.fullmatch(text):
        return text
    raise ValueError(f"{shown(text)} is not a label key: write it like team or example.com/team")


def label_value(text: str) -> str:
    """The value of a label; raises ValueError otherwise."""
    if len(text) <= 63 and _LABEL_VALUE.fullmatch(text):
        return text
    raise ValueError(f"{shown(text)} is not a label value: write it like web")


def project_file(text: str) -> str:
    """Path of a file in the project, relative to it; raises ValueError otherwise.

    Written in one way alone, so that the same file has the same name wherever it is told.
    """
    path = PurePosixPath(text)
    plain = text.isprintable() and "\\" not in text and len(text) <= 255
    if not plain or not path.name or path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"{shown(text)} is not a path inside the project: write it relative to the project, "
            "without '..', "
            "like rollout/staging.yaml"
        )
    if str(path) != text:
        raise ValueError(f"{shown(text)} can be written shorter: write {str(path)!r}")
    return text


def network(text: str) -> str:
    """A network as `10.0.0.0/8`; raises ValueError with what to write instead."""
    try:
        found = str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{shown(text)} is no network: write it like 10.0.0.0/8") from None
    if found != text:
        raise ValueError(f"{shown(text)} is no network in full: write {found!r}")
    return text


def folder(text: str) -> str:
    """An absolute path of a folder; raises ValueError otherwise."""
    if re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", text) and ".." not in text:
        return text
    raise ValueError(f"{shown(text)} is no folder: write it like /etc/alertmanager/secrets/mesh")


ProjectFile = Annotated[
    str, AfterValidator(project_file), ValueKind("file in the project", "a.yaml")
]
Date = Annotated[str, AfterValidator(calendar_date), ValueKind("date", "2026-01-01")]
Ports = Annotated[
    str,
    BeforeValidator(_number_as_text),
    AfterValidator(port_range),
    ValueKind("port or range of ports", "1"),
]
Quantity = Annotated[str, AfterValidator(quantity), ValueKind("quantity", "1")]
Workload = Annotated[str, AfterValidator(workload), ValueKind("workload", "deploy/a")]
LabelKey = Annotated[str, AfterValidator(label_key), ValueKind("label key")]
LabelValue = Annotated[str, AfterValidator(label_value), ValueKind("label value")]
Cidr = Annotated[str, AfterValidator(network), ValueKind("network", "10.0.0.0/8")]
Folder = Annotated[str, AfterValidator(folder), ValueKind("folder", "/a")]
