"""Simulated data: lower doses in the projection domain, the digital piglet, noises of natural images; no torch."""
