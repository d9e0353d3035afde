"""Noises that are added to natural images, one file per kind, found by the registry."""
