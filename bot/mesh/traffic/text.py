"""The state of all services, in words and as a document."""

from __future__ import annotations

from typing import Any

from bot.mesh.traffic.model import ServiceState, TrafficState
from bot.text.lists import counted, listed

_MOST = 10


def lines(state: TrafficState) -> list[str]:
    """The services, those with faults first."""
    order = sorted(state.services, key=lambda each: (not each.faults, each.key))
    told = [line for each in order for line in _service(each)]
    if state.figures is not None:
        told += [
            f"limit of Server {namespace}/{server}: {number:,.0f} requests were over it in "
            f"{state.figures.window}"
            for (namespace, server), number in sorted(state.figures.limited.items())
        ]
    else:
        told.append(f"breakers, retries, time-outs and limits not looked at: {state.unread}")
    if state.silent:
        told.append(
            f"not in traffic, so without time-outs, retries and breaker: "
            f"{listed(state.silent, _MOST)}"
        )
    bad = sum(bool(each.faults) for each in state.services)
    total = counted(len(state.services), "service")
    return [
        *told,
        f"{total}: {bad} with faults, {len(state.services) - bad} as the stack file says",
    ]


def _service(state: ServiceState) -> list[str]:
    accepted = sum(each.standing == "accepted" for each in state.routes)
    own = sum(each.standing != "foreign" for each in state.routes)
    head = f"{state.key}: {', '.join(state.ports)}; {accepted} of {counted(own, 'route')} accepted"
    head += f"; breaker {state.breaker}" if state.breaker != "none" else ""
    head += f"; delivery {state.delivery}" if state.delivery != "none" else ""
    return [
        head,
        *(f"  FAULT  {each}" for each in state.faults),
        *(f"  note   {each}" for each in state.notes),
    ]


def document(state: TrafficState) -> dict[str, Any]:
    """The state for a program."""
    figures = state.figures
    return {
        "services": [
            {
                "service": each.key,
                "ports": list(each.ports),
                "breaker": each.breaker,
                "delivery": each.delivery,
                "routes": [
                    {"kind": r.kind, "name": r.name, "state": r.standing, "why": r.why}
                    for r in each.routes
                ],
                "faults": list(each.faults),
                "notes": list(each.notes),
            }
            for each in state.services
        ],
        "notInTraffic": list(state.silent),
        "limited": [
            {"namespace": namespace, "server": server, "requests": number}
            for (namespace, server), number in sorted(figures.limited.items())
        ]
        if figures
        else None,
        "unread": state.unread or None,
    }
