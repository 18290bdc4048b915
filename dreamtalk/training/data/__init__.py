"""Recordings into batches: feature rows, rule motion, targets, faces at rest."""
