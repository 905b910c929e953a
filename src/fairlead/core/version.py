"""The version of Fairlead itself; pyproject.toml and CHANGELOG.md say the same (tested)."""

__version__ = "0.1.0"
