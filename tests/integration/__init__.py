"""Whole commands on small synthetic CT; a package, so that its tests can share :mod:`tests.integration.scenes`."""
