"""The model file, and what it does to one slice."""
