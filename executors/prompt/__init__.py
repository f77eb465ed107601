"""Prompts: making them, and rendering them for a model."""
