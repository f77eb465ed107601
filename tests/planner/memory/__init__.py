"""Tests of the memory math."""
