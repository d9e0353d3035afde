"""Fit a model to each protocol of noisy series, from these alone: calibrate, train from the base, check, decide."""
