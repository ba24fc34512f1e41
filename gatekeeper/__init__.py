"""Gatekeeper: agents may build anything and ship nothing."""

__version__ = "0.1.0"
