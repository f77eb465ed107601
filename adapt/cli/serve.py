"""`adapt serve`: answers as a run's model was measured, by the interface of OpenAI."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from executors.quantized import KvCache
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.serve.app import Service
    from executors.serve.forms import Form
    from executors.serve.variants import Served

KEY = "ADAPT_API_KEY"
INTERRUPTED = 130
NEEDED = ("starlette", "uvicorn")
EPILOG = """
\b
Examples:
  adapt serve plan.json
  adapt serve plan.json --port 9000 --merged
  adapt serve plan.json --form int8 --cache int8
  adapt serve tenants/one/plan.json tenants/two/plan.json
  ADAPT_API_KEY=secret adapt serve plan.json --host 0.0.0.0

\b
Then, in another shell:
  curl http://127.0.0.1:8000/v1/chat/completions -d \\
    '{"model": "voice-commands", "messages": [{"role": "user", "content": "lights on"}]}'
"""


@click.command(epilog=EPILOG)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", help="Address to listen on; this machine alone by default.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="Port; 0 takes any that is free; 8000.")
@click.option("--merged", is_flag=True, help="Serve the last model that the run made, merged or quantized.")
@click.option("--form", metavar="NAME", help="Serve this model that the run made beside its best; those are told.")
@click.option("--cache", type=click.Choice(get_args(KvCache)), help="Bits of keys and values; those of the rung.")
@click.option("--queue", type=click.IntRange(min=1), default=16, help="Requests that may wait; more get 503; 16.")
def command(
    runs: tuple[Path, ...], host: str, port: int, *, merged: bool, form: str | None, cache: KvCache | None, queue: int
) -> None:
    """Serve what RUN left (a plan that was run, or its folder .adapt): the base, and each measured rung by name.

    The plan's own name answers as its best rung was measured: with its adapter, its prompt, and passages of its index.
    The base's id answers as the base is. Several runs on one base are served together. It is for trying a result on one
    machine, one request at a time: for many users, `adapt export --to vllm`.

    With ADAPT_API_KEY in the environment, clients must bring it as their key. Ctrl-C ends it.
    """
    from adapt.cli.console import err
    from adapt.from_run import find_run
    from executors.serve.forms import LAST, forms_of
    from executors.serve.server import bind, serve
    from executors.serve.variants import served
    from executors.sources import Sources

    _check_installed()
    if merged and form is not None:
        raise click.UsageError("--merged is the last form: give it, or --form.")
    sources = [Sources(plan, state.folder.parent, state, report) for state, report, plan in map(find_run, runs)]
    what = served(sources, form=LAST if merged else form, kv_cache=cache)
    listening = bind(host, port)
    for source in [] if merged or form else sources:
        _tell_forms(source.plan.name, forms_of(source))
    err().print(f"Loading {what.variants[-1].name} ...")
    service = _load(what, queue)
    address = f"http://{host}:{listening.getsockname()[1]}/v1"
    try:
        serve(service, listening, lambda: _tell(what, address))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        err().print("Stopped.")


def _load(what: Served, queue: int) -> Service:
    """The model in memory; what libraries say about themselves meanwhile is nobody's concern."""
    import logging
    import warnings

    from executors.places.environment import worker_environment

    os.environ.update(worker_environment(os.environ, offline=True))
    logging.disable(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils.logging import disable_progress_bar

        from executors.serve.app import Service
        from executors.serve.engine import Engine
        from executors.serve.labels import Labels

        disable_progress_bar()
        engine = Labels(what) if what.labels else Engine(what)
    logging.disable(logging.NOTSET)
    return Service(engine, queue=queue, key=os.environ.get(KEY) or None)


def _check_installed() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        message = f"{' and '.join(missing)} are not installed, which serving needs."
        raise InputError.one("SERVE011", message, "Install them: pip install 'adapt-planner[run,serve]'.")


def _tell_forms(name: str, forms: list[Form]) -> None:
    from adapt.cli.console import err

    known = [form.name for form in forms if not form.obstacle]
    if known:
        err().print(f"{name} was also measured as {', '.join(known)}: serve one with --form.", soft_wrap=True)
    for form in forms:
        if form.obstacle:
            err().print(f"{name} as {form.name} is not served here: {form.obstacle}.", soft_wrap=True)


def _tell(what: Served, address: str) -> None:
    from adapt.cli.console import err

    names = ", ".join(variant.name for variant in what.variants)
    err().print(f"Serving {names} at {address} (Ctrl-C ends it)", soft_wrap=True)
    if not os.environ.get(KEY) and not address.startswith(("http://127.", "http://localhost", "http://[::1]")):
        err().print(f"Everybody who reaches this address may ask: set {KEY} to ask for a key.")
