"""The answers of the trust commands, for people and as JSON; both have the same facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from bot.mesh.trust.chain import anchor_of, fingerprint, names_of
from bot.mesh.trust.check import identity_faults, old_bundle
from bot.mesh.trust.decide import stage_of
from bot.mesh.trust.fleet import Gathered
from bot.mesh.trust.model import Kept, Stage, StepVerdict, TrustState
from bot.mesh.trust.restart import Phase
from bot.text.markdown import one_line


def status_document(gathered: Gathered) -> dict[str, Any]:
    """Everything that `status` knows; times in ISO 8601 UTC, `daysLeft` with two digits."""
    now = datetime.now(UTC)
    return {
        "owner": gathered.owner,
        "anchors": [_kept_document(each, now) for each in gathered.kept],
        "clusters": [
            _cluster_document(seen, stage_of(gathered, stack))
            for stack, seen in gathered.seen.items()
        ],
        "unreadable": dict(gathered.unread),
        "differences": [
            {
                "stacks": list(each.stacks),
                "generation": each.generation,
                "message": each.message,
                "unsafe": each.unsafe,
            }
            for each in gathered.differences
        ],
        "mismatches": list(gathered.mismatches),
    }


def certificate_document(certificate: x509.Certificate, now: datetime) -> dict[str, Any]:
    """Fingerprint, subject and time left of a certificate."""
    left = (certificate.not_valid_after_utc - now).total_seconds()
    return {
        "fingerprint": fingerprint(certificate),
        "subject": certificate.subject.rfc4514_string(),
        "notAfter": certificate.not_valid_after_utc.isoformat(),
        "daysLeft": round(left / 86400, 2),
    }


def _kept_document(kept: Kept, now: datetime) -> dict[str, Any]:
    certificate = kept.published or kept.made
    return {
        "generation": kept.generation,
        "certificate": certificate_document(certificate, now) if certificate else None,
        "published": kept.published is not None,
        "keyKept": kept.key,
    }


def _cluster_document(seen: TrustState, stage: Stage) -> dict[str, Any]:
    faults, notes = identity_faults(seen)
    return {
        "stack": seen.stack,
        "cluster": seen.cluster,
        "stage": stage.name,
        "why": stage.why,
        "signer": stage.signer,
        "bundle": {
            "sha256": seen.bundle.sha256,
            "changed": seen.bundle.changed.isoformat(),
            "anchors": [
                {"generation": name, **certificate_document(each, seen.now)}
                for name, each in _held(seen)
            ],
        }
        if seen.bundle
        else None,
        "issuer": {
            **certificate_document(seen.issuer[0], seen.now),
            "changed": seen.issuer_changed.isoformat() if seen.issuer_changed else None,
        }
        if seen.issuer
        else None,
        "webhooks": {
            name: certificate_document(each, seen.now) for name, each in seen.served.items()
        },
        "pods": {
            "controlPlane": sum(pod.control_plane for pod in seen.pods),
            "meshed": sum(not pod.control_plane for pod in seen.pods),
            "oldBundle": [str(pod) for pod in old_bundle(seen)],
        },
        "identity": {
            "pods": [
                {"pod": each.pod, "ttlSeconds": each.ttl, "unreadable": each.unreadable or None}
                for each in seen.identities
            ],
            "faults": faults,
            "notes": notes,
        },
    }


def status_lines(gathered: Gathered) -> list[str]:
    """`status` for people: the owner's anchors, then each cluster's tree."""
    now = datetime.now(UTC)
    lines = [f"trust anchors of {gathered.owner}, in Vault"]
    for kept in gathered.kept:
        certificate = kept.published or kept.made
        key = {True: "key kept", False: "no key", None: "key not visible"}[kept.key]
        if certificate is None:
            lines.append(f"  {kept.generation:24} not there yet")
            continue
        place = "" if kept.published else ", not published"
        lines.append(f"{_row(kept.generation, certificate, now)}  {key}{place}")
    if not gathered.kept:
        lines.append("  none were read")
    for stack, seen in gathered.seen.items():
        lines += ["", *_cluster_lines(seen, stage_of(gathered, stack))]
    told = [f"not readable: {place}: {why}" for place, why in gathered.unread.items()]
    told += [f"ERROR {text}" for text in gathered.mismatches]
    told += [
        f"{'ERROR' if each.unsafe else 'under way:'} {each.message}"
        for each in gathered.differences
    ]
    return [*lines, *(["", *told] if told else [])]


def _cluster_lines(seen: TrustState, stage: Stage) -> list[str]:
    by = f", signed by {stage.signer}" if stage.signer else f": {stage.why}"
    lines = [f"cluster {seen.cluster} (stack {seen.stack}): {stage.name}{by}"]
    lines += [f"{_row(name, each, seen.now)}  trusted" for name, each in _held(seen)]
    if seen.issuer:
        root = anchor_of(seen.issuer, seen.anchors.values(), seen.now)
        under = names_of([root], seen.anchors)[0] if root else "no known anchor"
        lines.append(f"{_row('  identity issuer', seen.issuer[0], seen.now)}  below {under}")
    lines += [_row(name.split("/")[1], each, seen.now) for name, each in seen.served.items()]
    if seen.bundle:
        lines.append(f"  bundle sha256 {seen.bundle.sha256}, written {_time(seen.bundle.changed)}")
    own = sum(pod.control_plane for pod in seen.pods)
    old = old_bundle(seen)
    lines.append(
        f"  {own} control plane and {len(seen.pods) - own} other meshed pods, {len(old)} with an "
        "old bundle"
    )
    lines += [f"    old bundle: {pod} ({pod.owner.kind} {pod.owner.name})" for pod in old]
    faults, notes = identity_faults(seen)
    return [*lines, *(f"  ERROR {text}" for text in faults), *(f"  note: {n}" for n in notes)]


def _held(seen: TrustState) -> list[tuple[str, x509.Certificate]]:
    """The anchors of the bundle with their generations, in the order of the generations."""
    held = seen.bundle.certificates if seen.bundle else []
    order = list(seen.anchors)
    named = zip(names_of(held, seen.anchors), held, strict=True)
    return sorted(named, key=lambda each: order.index(each[0]) if each[0] in order else -1)


def _row(name: str, certificate: x509.Certificate, now: datetime) -> str:
    left = left_text(certificate.not_valid_after_utc - now)
    ends = _time(certificate.not_valid_after_utc)
    return f"  {name:34} {left:>10} left  {ends}  {fingerprint(certificate)[:16]}"


def left_text(span: timedelta) -> str:
    """Time left: days from three days on, hours and minutes below, `ended` when there is none."""
    seconds = span.total_seconds()
    if seconds <= 0:
        return "ended, 0 s"
    if seconds >= 3 * 86400:
        return f"{seconds / 86400:.1f} d"
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def verdict_document(verdict: StepVerdict) -> dict[str, Any]:
    """One cluster's verdict."""
    return {
        "stack": verdict.stack,
        "step": verdict.step,
        "generations": list(verdict.generations),
        "safe": verdict.safe,
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "restart": [str(pod) for pod in verdict.restart],
    }


def verdict_lines(verdict: StepVerdict) -> list[str]:
    """One cluster's verdict for people."""
    what: str = verdict.step or "no step is due"
    if verdict.generations:
        what += f" {'to ' if verdict.step == 'switch' else ''}{', '.join(verdict.generations)}"
    lines = [f"{verdict.stack}: {what}: {'safe' if verdict.safe else 'UNSAFE'}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    return [*lines, *(f"  note: {note}" for note in verdict.notes)]


# A variable of the script: one workload that does not come up must not hide the others.
_FAILED = "not_up"


def plan_document(stack: str, planned: list[Phase]) -> dict[str, Any]:
    """The restart plan."""
    return {
        "stack": stack,
        "phases": [
            {
                "title": each.title,
                "why": each.why,
                "workloads": [str(workload) for workload in each.workloads],
                "commands": list(each.commands),
                **({"hints": list(each.hints)} if each.hints else {}),
            }
            for each in planned
        ],
    }


def plan_lines(planned: list[Phase]) -> list[str]:
    """The restart plan as a script: comments, and commands that can be pasted."""
    if not planned:
        return ["# nothing must restart"]
    lines = []
    for number, phase in enumerate(planned, 1):
        lines.append(f"# {number}. {phase.title}: {phase.why}")
        # On one line, whatever a cluster says that it is called: this goes into a shell.
        more = f" || {_FAILED}=1" if phase.goes_on else ""
        lines += [f"{command}{more}" for command in phase.commands]
        if not phase.commands:
            hints = [f": {each}" for each in phase.hints] or [""] * len(phase.workloads)
            told = [f"{each}{hint}" for each, hint in zip(phase.workloads, hints, strict=True)]
            lines += [f"#    {one_line(each)}" for each in told]
    if any(phase.goes_on for phase in planned):
        lines += ["# fails where a workload did not come up", f'test -z "${{{_FAILED}:-}}"']
    return lines
