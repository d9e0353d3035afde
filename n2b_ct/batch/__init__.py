"""Runs over trees: every series and volume below a folder, each to its mirrored place, whole or not at all."""
