"""Scans of image quality phantoms: where the inserts lie, what each shows, and the report of a physicist.

The digital patients and the piglet, which are drawn rather than scanned, live in :mod:`n2b_ct.phantom`.
"""
