"""Recordings as test sets: every frame of a bag through the model or the node, scored, compared and reported."""
