"""datalab: how people use a site, answered exactly on one small machine."""

__version__ = "0.1.0"
