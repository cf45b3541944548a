"""Deployment bot and day-2 commands: `python -m bot <command>`."""
