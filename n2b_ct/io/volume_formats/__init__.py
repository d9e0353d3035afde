"""Formats of volumes: NIfTI, NRRD and MetaImage, a file each, and those of packages outside.

A format is a class on :class:`~n2b_ct.io.volume_formats.base.VolumeFormat`, registered under every ending of its files:
``@VOLUME_FORMATS.register(".nrrd")``. A package outside names its class in the entry-point group
``n2b_ct.volume_formats``, with the ending as the entry's name. Headers are untrusted: a format believes them only as
far as the files bear them out.
"""
