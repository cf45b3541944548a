"""Texts as people read them, and files as they are written."""
