"""Alert and recording rules."""
