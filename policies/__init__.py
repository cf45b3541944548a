"""Policies: rules that every stack must keep, whoever runs the engine; docs/policies.md.

The rules know neither the engine nor the bot. `python -m bot` runs them in its own process; the
engine runs them as a policy pack (`pulumi preview --policy-pack policies`).
"""
