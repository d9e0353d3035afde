"""Worker processes that touch untrusted files: a crash, a hang or a memory blow-up costs one file, not the run.

:mod:`.pool` hands out work and survives its workers, :mod:`.worker` is what runs in each of them,
:mod:`.frames` is what they say to each other. A task is a function of :mod:`n2b_ct.io`, named as
``"module:function"``; it takes JSON values and returns an :class:`~.frames.Answer`.
"""
