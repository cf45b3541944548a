"""The program evaluated by the SDK's own mock monitor: its resources, without an engine."""
