"""`adapt serve` as its users meet it: a process that answers, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.adapt.commands import COMMAND, ROOT
from tests.executors.export.runs import finished_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.slow
def test_a_process_answers_the_official_client_until_ctrl_c(tmp_path: Path) -> None:
    """Two runs on one base, each by its name, with a key; nothing but the address on standard error."""
    import openai

    one = finished_run(tmp_path / "one", "one", seed=1)
    two = finished_run(tmp_path / "two", "two", seed=2, base=one.parent / "base")
    environment = os.environ | {"ADAPT_API_KEY": "secret", "OMP_NUM_THREADS": "1"}
    words = [*COMMAND, "serve", one, two, "--port", "0"]
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        address = re.search(r"http://127.0.0.1:\d+/v1", lines[1])
        assert address, lines
        with openai.OpenAI(base_url=address[0], api_key="secret", max_retries=0) as client:
            names = [model.id for model in client.models.list()]
            assert names == ["one", "one:zero-shot", "two", "two:zero-shot", "tiny/base"]
            said = {
                name: client.chat.completions.create(model=name, messages=[{"role": "user", "content": "ping"}])
                for name in names
            }
            texts = {name: made.choices[0].message.content for name, made in said.items()}
            assert texts["one"] != texts["two"]
            assert texts["one:zero-shot"] == texts["two:zero-shot"]
        with openai.OpenAI(base_url=address[0], api_key="wrong") as other, pytest.raises(openai.AuthenticationError):
            other.models.list()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert rest == "Stopped.\n"


def test_a_plan_that_was_not_run_is_refused(tmp_path: Path, adapt: Callable) -> None:
    said = adapt("serve", tmp_path / "none.json")
    assert said.code == 2
    assert "is not there" in said.err


@pytest.mark.slow
def test_a_port_in_use_is_refused_before_anything_is_loaded(tmp_path: Path, adapt: Callable) -> None:
    run = finished_run(tmp_path / "one")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = adapt("serve", run, "--port", str(taken.getsockname()[1]))
    assert said.code == 2
    assert "in use" in said.err


@pytest.mark.slow
def test_a_form_that_was_not_made_is_refused_with_those_that_were(tmp_path: Path, adapt: Callable) -> None:
    run = finished_run(tmp_path / "one")
    said = adapt("serve", run, "--form", "int8")
    assert said.code == 2
    assert "made no form `int8`" in said.err
    assert "no other than its best" in said.err
    assert "give it, or --form" in adapt("serve", run, "--form", "int8", "--merged").err
