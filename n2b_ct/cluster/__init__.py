"""Runs on several machines: tasks are executed by the workers of a Dask scheduler (extra ``cluster``)."""
