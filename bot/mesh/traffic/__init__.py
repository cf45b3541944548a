"""Requests between services: how they are treated now, and the next step of a canary."""
