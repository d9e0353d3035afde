"""Other people's denoisers, each in an environment of its own, on the same slice and the same threads."""
