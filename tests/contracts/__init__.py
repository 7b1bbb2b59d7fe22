"""Contracts as test classes for the parts that a config may name. You can test your own parts with them too."""
