"""Turns documents into what people read."""
