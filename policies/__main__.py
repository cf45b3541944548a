"""The engine starts this file in the pack's own environment; it serves until the engine ends."""

from __future__ import annotations

import sys
from pathlib import Path

# The engine starts it by its folder, and the policies import each other by the project's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pulumi_policy

from policies.pack import packed

pulumi_policy.PolicyPack(name="linkerd-platform", policies=packed())
