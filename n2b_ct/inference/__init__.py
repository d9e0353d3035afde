"""Denoising: a slice, a series, a tree of series."""
