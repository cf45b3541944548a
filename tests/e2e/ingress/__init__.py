"""Tests that one ingress gateway serves; it ends with the last of them."""
