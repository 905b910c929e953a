"""Fairlead turns a trained model file into a service that others can safely depend on."""

__version__ = "0.1.0"
