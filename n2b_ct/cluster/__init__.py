"""More than one machine: the tasks of a run, executed by the workers of a Dask scheduler (extra ``cluster``)."""
