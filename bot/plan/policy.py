"""The policies over a plan or a change set, in this process; docs/policies.md.

The engine's policy pack sees the same resources, and costs a process and a request for each
(docs/policies.md has the figures). What neither can see, a value that is secret or not known yet,
is a breach where a policy needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bot import stacks
from bot.changes.model import Change, ChangeSet, Violation
from bot.exit_codes import RefusedError
from bot.plan.mock.monitor import Resource
from bot.plan.model import ChartPlan, Object, Plan
from policies.catalog import breaches
from policies.context import context_of, strictest
from policies.model import Breach, CheckedResource, Context, Options
from stack import fleet
from stack.config import StackConfig


def context(stack: str, config: StackConfig, project_dir: Path = stacks.PROJECT_DIR) -> Context:
    """What the policies know of a stack. Raises ConfigError for a faulty fleet file."""
    known = fleet.read(project_dir)
    return context_of(
        stack,
        role=config.role,
        protect=config.protection.protect,
        failure_policy=config.linkerd.webhook_failure_policy,
        environment=strictest(known.environment_of(stack) if known else None, config.environment),
    )


def of_plan(plan: Plan, project_dir: Path = stacks.PROJECT_DIR) -> tuple[Violation, ...]:
    """What breaks a policy in a plan, objects of charts included."""
    known = context(plan.stack, plan.evaluation.config, project_dir)
    return violations(breaches(list(_of_plan(plan)), known, whole=True))


def of_changes(
    changes: ChangeSet, config: StackConfig, project_dir: Path = stacks.PROJECT_DIR
) -> ChangeSet:
    """The change set with what its resources break once they are applied."""
    known = context(changes.stack, config, project_dir)
    subjects = [_of_change(change) for change in changes.changes if change.after is not None]
    found = violations(breaches(subjects, known, whole=False))
    # The engine's pack, where it runs as well, has found the same under its own name.
    told = {(each.policy.rpartition("/")[2], each.urn) for each in changes.violations}
    fresh = tuple(each for each in found if (each.policy, each.urn) not in told)
    return changes.model_copy(update={"violations": (*changes.violations, *fresh)})


def violations(found: Iterable[Breach]) -> tuple[Violation, ...]:
    """The breaches in the form of a change set."""
    return tuple(
        Violation(
            policy=breach.policy.id,
            level=breach.policy.level,
            urn=breach.subject.urn,
            message=breach.message,
        )
        for breach in found
    )


def lines(found: Sequence[Violation]) -> list[str]:
    """The violations for a terminal, the mandatory ones first."""
    ordered = sorted(found, key=lambda violation: violation.level != "mandatory")
    return list(map(_line, ordered))


def _line(violation: Violation) -> str:
    return f"{violation.level} policy {violation.policy}: {violation.message}"


def judge(plans: Sequence[Plan]) -> None:
    """Tell the advisory violations of every plan on stderr, and refuse the mandatory ones.

    Raises RefusedError with a line for each of all stacks.
    """
    found = [(plan.stack, violation) for plan in plans for violation in of_plan(plan)]
    broken = []
    for stack, violation in found:
        line = f"{stack}: {_line(violation)}"
        if violation.level == "mandatory":
            broken.append(line)
        else:
            sys.stderr.write(f"{line}\n")
    if broken:
        raise RefusedError("\n".join(broken))


def refuse(stack: str, found: Sequence[Violation]) -> None:
    """Raise RefusedError when a mandatory policy is broken, with a line for each."""
    broken = [each for each in found if each.level == "mandatory"]
    if broken:
        raise RefusedError("\n".join(f"{stack}: {line}" for line in lines(broken)))


def _of_plan(plan: Plan) -> Iterator[CheckedResource]:
    for resource in plan.evaluation.resources:
        yield CheckedResource(
            urn=resource.urn,
            type=resource.type,
            name=resource.name,
            props=resource.inputs,
            options=Options(
                protect=resource.protect,
                retain=resource.retain_on_delete,
                provider=resource.provider or "",
            ),
            custom=resource.custom,
        )
    for chart in plan.charts:
        yield from (_of_object(chart, item) for item in chart.objects)


def _of_object(chart: ChartPlan, item: Object) -> CheckedResource:
    """An object of a chart, in the namespace that Helm gives it."""
    content = dict(item.manifest.content)
    if item.namespace:
        content["metadata"] = {**content["metadata"], "namespace": item.namespace}
    group_version = item.api_version if "/" in item.api_version else f"core/{item.api_version}"
    parent: Resource = chart.resource
    return CheckedResource(
        urn=item.urn or parent.urn,
        type=f"kubernetes:{group_version}:{item.kind}",
        name=item.place,
        props=content,
        options=Options(
            # A chart's object is retained with its protection: both come from the transform.
            protect=item.protect,
            provider=parent.provider or "",
            released=item.urn is None,
        ),
    )


def _of_change(change: Change) -> CheckedResource:
    return CheckedResource(
        urn=change.urn,
        type=change.type,
        name=change.name,
        props=change.inputs,
        # The engine itself refuses a default provider: pulumi:disable-default-providers.
        options=Options(protect=change.protected, retain=change.retained),
    )
