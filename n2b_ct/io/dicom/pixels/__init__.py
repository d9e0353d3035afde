"""Stored words: which encodings there are, what stands in a codestream, decoding, and HU back into words."""
