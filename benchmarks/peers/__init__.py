"""Other people's denoisers and runtimes, each in an environment of its own, on the same slice and the same threads."""
