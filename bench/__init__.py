"""Measurements: each prints its figures and the conditions that they depend on."""
