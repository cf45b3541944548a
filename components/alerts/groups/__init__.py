"""The alert and recording rules of the platform, as data: one module per theme."""
