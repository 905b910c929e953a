"""The documentation site, made from docs/: `python -m scripts.site [FOLDER]`."""
