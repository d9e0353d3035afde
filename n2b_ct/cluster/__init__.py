"""Past one machine: the tasks of a batch, carried out by the workers of a Dask scheduler (extra ``cluster``)."""
