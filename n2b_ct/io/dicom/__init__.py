"""DICOM CT in and out: strict where HU, identity or geometry hang on it, tolerant everywhere else.

:mod:`.scan` finds series, :mod:`.ct_reader` turns them into HU, :mod:`.derived_series` puts derived series on disk at
once or not at all. ``writing`` makes derived instances; ``reading`` goes from any file to the slices that it holds.
"""
