"""Worker processes that touch untrusted files: a crash, a hang or a memory blow-up costs one file, not the run.

:mod:`.pool` hands out items, gives one that a worker crashed on to another and keeps idle workers at hand;
:mod:`.process` is a worker seen from here, :mod:`.worker` what runs in it, :mod:`.messages` what they exchange;
:mod:`.idle` tells a worker that hangs from one on a busy machine, :mod:`.crashes` why one has ended. A task is a
function of :mod:`n2b_ct.io`, named as ``"module:function"``; it takes JSON values and returns an
:class:`~.messages.Answer`. What its module imports late, the module's ``prepare`` loads before any item's time begins.
"""
