"""Serving a trained model: `llamafactory-cli api` on the pod's 127.0.0.1, reachable through the pod."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from millhand.endpoint import Endpoint
from millhand.errors import TrainingError, UsageError
from millhand.files import write_text
from millhand.llamafactory import launch
from millhand.pods.base import Job, JobHandle, Pod
from millhand.runs.environment import training_environment
from millhand.runs.export import EXPORTED, finished_run
from millhand.runs.follow import POLL_S, inspect_output, log_tail
from millhand.runs.ledger import Run
from millhand.runs.train import open_ledger
from millhand.shell import Command, Secret
from millhand.training.effective import render, serve_values, trained_model
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

KEY_NAME = "MILLHAND_API_KEY"
START_S = 600.0  # an 8B model from a network volume
_FREE_PORT = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: the keys that name the model, and what a person calls it."""

    name: str
    values: Mapping[str, Any]
    what: str


def choose_model(workspace: Workspace, pod: Pod, project: Project, *, merged: bool | None = None) -> Served:
    """The model of the project's last finished run: merged where it is exported, else base and adapter.

    Args:
        merged: Ask for one of the two; None takes the merged one if it is there.

    Raises:
        UsageError: Nothing is trained yet, or the merged model was asked for and is not there.
    """
    ledger = open_ledger(workspace)
    run = finished_run(ledger, project)
    chat = project.values("chat")
    mark = ledger.done(run.name, EXPORTED)
    folder = str(mark.facts["folder"]) if mark else ""
    whole = bool(folder) and not inspect_output(pod, folder)["fault"]
    if merged and not whole:
        raise UsageError(
            f"Run {run.name} has no merged model.", mend=f"Merge it: `millhand export {project.name}`."
        )
    if whole and merged is not False:
        values = {key: value for key, value in chat.items() if key != "finetuning_type"}
        return Served(
            run.name, serve_values(values, {"model_name_or_path": folder}), f"merged model {folder}"
        )
    return Served(run.name, serve_values(chat, _trained(run)), f"run {run.name} in {run.output_dir}")


def _trained(run: Run) -> dict[str, Any]:
    return trained_model(run.facts["config"], run.output_dir)


@contextmanager
def serving(
    workspace: Workspace, pod: Pod, served: Served, *, key: Secret | None = None, port: int = 0
) -> Iterator[tuple[Endpoint, JobHandle]]:
    """Serve a model as long as the block lasts, and end the server with it, or with this process.

    Args:
        key: What callers must send; a new one for this block by default.
        port: On the pod's 127.0.0.1; 0 takes a free one.

    Raises:
        TrainingError: The server did not come up.
    """
    port = port or int(pod.run(Command((pod.python, "-c", _FREE_PORT))).check().stdout)
    key = key or Secret(secrets.token_urlsafe(24))
    name = f"serve-{served.name}-{port}"
    config = f"{STATE}/runs/{served.name}/serve.yaml"
    write_text(workspace.root / config, render(served.values, f"How {served.what} is served."))
    pod.put([config])
    env = launch.base_env(
        workspace.settings(), threads=training_environment(pod, workspace.settings()).threads
    )
    command = launch.api(pod.python, config, env, port=port, key=key, model=served.name)
    handle = pod.start(Job(name, command, tethered=True))
    try:
        with pod.forward(port) as local:
            endpoint = Endpoint(f"http://127.0.0.1:{local}/v1", served.name, key)
            _wait_until_ready(endpoint, handle)
            yield endpoint, handle
    finally:
        handle.stop(5)


def _wait_until_ready(endpoint: Endpoint, handle: JobHandle) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if endpoint.ready():
            return
        if not handle.status().alive:
            break
        time.sleep(POLL_S)
    raise TrainingError(f"The server did not come up. The last it printed:\n{log_tail(handle.log())}")


def serving_key(workspace: Workspace) -> Secret:
    """The workspace's key for callers of `millhand serve`.

    Raises:
        UsageError: None is set: a server without one would be open to every program on the machine.
    """
    key = workspace.secret(KEY_NAME)
    if key is None:
        mend = f"Write a line `{KEY_NAME}={secrets.token_urlsafe(24)}` into {workspace.root / '.env'}."
        raise UsageError(f"{KEY_NAME} is not set.", mend=mend)
    return key
