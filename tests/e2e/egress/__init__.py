"""Tests that one egress gateway serves; it ends with the last of them."""
