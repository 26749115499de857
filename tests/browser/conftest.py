"""The same workspace as the integration tests have."""

from tests.integration.conftest import bench, pytest_collection_modifyitems, template

__all__ = ["bench", "pytest_collection_modifyitems", "template"]
