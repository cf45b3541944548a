"""What the errors of the user's files have in common; imports nothing, for whoever catches them."""

from __future__ import annotations


class InputError(Exception):
    """A file that the user wrote cannot be used; `str()` says where and how to mend it."""
