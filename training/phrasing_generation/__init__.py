"""Asking a language model for phrasings (paper, section 3.1): requests, checks, journal, output files."""
