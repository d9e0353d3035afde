"""The tests; a package, so that every test module can say ``from tests.helpers import …``."""

import pytest

# Helpers whose assertions should say as much as a test's
pytest.register_assert_rewrite(
    "tests.bad_input", "tests.dicom_tools", "tests.integration.twins", "tests.integration.verdicts"
)
