"""Nothing: what is left is the engine's own time."""

import pulumi

pulumi.export("resources", 0)
