"""Answers against truth: what each answer adds to sums, scores of sums, and intervals of scores."""
