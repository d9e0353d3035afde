"""Worker processes that touch untrusted files: a crash, a hang or a memory blow-up costs one file, not the run.

:mod:`.pool` hands out items and gives one that a worker died of to another; :mod:`.workers` keeps workers at hand;
:mod:`.process` is a worker seen from here, :mod:`.worker` what runs in it, :mod:`.frames` what they say to each other;
:mod:`.waiting` tells a worker that hangs from one on a busy machine, :mod:`.deaths` what it died of. A task is a
function of :mod:`n2b_ct.io`, named as ``"module:function"``; it takes JSON values and returns an
:class:`~.frames.Answer`. What its module imports late, the module's ``prepare`` loads before any item's time begins.
"""
