"""Simulated data: lower doses in the projection domain and the digital piglet; pure functions, no torch."""
