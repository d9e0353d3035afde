"""DICOM CT in and out: strict where HU, identity or geometry hang on it, tolerant everywhere else.

:mod:`.scan` finds series, :mod:`.read` turns them into HU, :mod:`.derive` makes derived instances,
:mod:`.write` puts them on disk at once or not at all.
"""
