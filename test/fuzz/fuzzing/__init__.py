"""Hostile inputs, made from a stream of random choices, and what must become of them."""
