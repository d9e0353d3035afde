"""Runs over trees: every series and volume below a folder, each to its mirrored path, whole or not at all."""
