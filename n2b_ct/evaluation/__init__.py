"""Evaluation of denoised HU slices: fidelity, flat-region noise, HU bias, baselines and the dose-level report.

Everything here works on plain arrays in HU; reading files and running models is the caller's part.
"""
