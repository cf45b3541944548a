"""YAML that an object holds as a text: values of a chart, the file of a program.

A stranger's program may have written it, so what would exhaust the reader is refused.
"""

from __future__ import annotations

from typing import Any

_DEEPEST = 50  # collections within one another; the values of Linkerd's chart have 8


def loaded(text: str) -> Any:
    """What the text says; raises ValueError for what is no YAML, is too deep or has aliases.

    Few bytes can make millions of an alias.
    """
    # Imported here: few changes have such a text, and every comment would wait for it.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a safe one, in C
    depth = 0
    try:
        # Its parser goes event by event; what builds the objects recurses, and crashes.
        for event in yaml.parse(text, Loader=loader):
            aliased = isinstance(event, yaml.AliasEvent)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if aliased or depth > _DEEPEST:
                raise ValueError("an alias" if aliased else f"deeper than {_DEEPEST} collections")
        return yaml.load(text, Loader=loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
