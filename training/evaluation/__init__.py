"""Scores of what the model says against the truth, and the pictures and words they are taken on."""
