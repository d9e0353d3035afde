"""Denoising on arrival: how well a model does on scans that it has never seen, on phantoms and on patients."""
