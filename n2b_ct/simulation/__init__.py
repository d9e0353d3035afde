"""Simulated data: lower doses in the projection domain, noises of natural images; no torch."""
