"""Noises that are laid on natural images, one file a kind, found by the registry."""
