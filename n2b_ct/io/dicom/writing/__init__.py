"""Instances of our own: what they copy, what they say of where they come from, how their words are encoded."""
