import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "registry: needs the npm registry (deselect with -m 'not registry')")
