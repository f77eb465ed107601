"""What tests of served models share."""

from __future__ import annotations

import pytest

from tests.executors.evaluate.served_jobs import KEY


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries that tests can wait for, and a key."""
    from openai import _base_client

    from executors.evaluate import server

    monkeypatch.setattr(_base_client, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(server, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("TEST_KEY", KEY)
