"""DICOM CT in and out: strict where HU, identity or geometry hang on it, tolerant everywhere else.

Faces: :mod:`.scan` finds series, :mod:`.read` turns them into HU, :mod:`.write` puts derived series on disk at once or
not at all. Rooms, each using only those after it: ``writing`` and ``frames``, ``reading``, ``pixels``.
:mod:`.examine` and :mod:`.decode` are what worker processes do.
"""
