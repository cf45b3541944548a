"""What the rules say against a change of a config that was loaded, for questions about the next."""

from __future__ import annotations

from schema.faults import Fault
from stack import rules
from stack.config import StackConfig


def check(before: StackConfig, after: StackConfig) -> list[Fault]:
    """The faults that come with the change.

    A loaded config has been filled in, with certificates from their files, and is no longer what
    the rules are for; what they say of it before and after the change is not the change's.
    """
    known = rules.check(before)
    return [fault for fault in rules.check(after) if fault not in known]
