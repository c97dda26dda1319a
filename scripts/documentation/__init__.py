"""The documentation site: its reference, its pictures, and the commands in it."""
