"""Measures how good optimisers and settings are."""
