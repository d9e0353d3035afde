"""The tests; a package, so that every test module can say ``from tests.helpers import …``."""
