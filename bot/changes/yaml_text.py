"""YAML that an object holds as a text: values of a chart, the file of a program."""

from __future__ import annotations

from typing import Any


def loaded(text: str) -> Any:
    """What the text says; raises ValueError for what is no YAML."""
    # Imported here: few changes have such a text, and every comment would wait for it.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a safe one, in C
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
