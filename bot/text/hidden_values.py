"""What stands in a text, a document or a plan in the place of a value that is not shown."""

from __future__ import annotations

SECRET = "[secret]"  # noqa: S105
# What only `up` will know.
UNKNOWN = "[known after apply]"
