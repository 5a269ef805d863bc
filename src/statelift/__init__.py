"""Lift the state out of serverless Python."""

__version__ = "0.1.0"
