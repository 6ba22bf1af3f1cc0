"""Signoff: agents propose, a person signs off in a note, and exactly that runs, once."""

__version__ = "0.1.0"
