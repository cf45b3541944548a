"""Mesh health as one command: sources are read, checks judge them, one report is printed."""
