"""Spans of the proxies: a collector and a Jaeger to try it."""
