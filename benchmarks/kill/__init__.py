"""Kills in the middle of a batch run: what is there is whole, and the end is as if nothing had happened."""
