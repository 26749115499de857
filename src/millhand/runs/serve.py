"""Serving a trained model: `llamafactory-cli api` on the pod's 127.0.0.1, reachable through the pod."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from millhand.endpoint import Endpoint, EndpointError
from millhand.errors import FindingsError, TrainingError, UsageError
from millhand.files import write_text
from millhand.llamafactory import launch
from millhand.pods.base import Job, JobHandle, Pod
from millhand.runs.environment import training_environment
from millhand.runs.finished import check_against_run, check_base, exported, finished_run, open_ledger
from millhand.runs.follow import POLL_S, log_tail
from millhand.runs.inputs import input_paths
from millhand.runs.ledger import Run
from millhand.runs.pages import free_port
from millhand.runs.places import home_of, pod_settings
from millhand.shell import Secret
from millhand.training.check import check_secrets
from millhand.training.effective import render, serve_values, trained_model
from millhand.training.project import Project
from millhand.workspace import STATE, Workspace

KEY_NAME = "MILLHAND_API_KEY"
START_S = 600.0  # an 8B model from a network volume


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: its name, the YAML values that name its model, and what a person calls it."""

    name: str
    values: Mapping[str, Any]
    what: str


@dataclass(frozen=True, slots=True)
class ServedRun(Served):
    """What a run of this workspace made."""

    run: Run


def choose_model(
    workspace: Workspace, pod: Pod, project: Project, *, merged: bool | None = None
) -> ServedRun:
    """The model of the project's last finished run: merged where it is exported, else base and adapter.

    Args:
        merged: Ask for one of the two; None takes the merged one if it is there.

    Raises:
        UsageError: Nothing is trained yet, or the merged model was asked for and is not there.
        FindingsError: chat.yaml does not fit what was trained.
    """
    ledger, pod = open_ledger(workspace), home_of(workspace, pod)
    run = finished_run(workspace, pod, project)
    chat, file = project.values("chat"), workspace.relative(project.path("chat"))
    mark = exported(pod, ledger, run)
    if merged and mark is None:
        mend = f"Merge it: `millhand export {project.name}`."
        raise UsageError(f"Run {run.name} has no merged model.", mend=mend)
    whole = mark is not None and merged is not False
    findings = [*check_secrets(chat, file), *check_against_run(chat, run, file, chat=True)]
    findings += [] if whole else check_base(workspace, ledger, run)
    if findings:
        raise FindingsError(findings, message="Nothing was loaded.")
    if mark is not None and whole:
        folder = str(mark.facts["folder"])
        values = serve_values(chat, {"model_name_or_path": folder})
        return ServedRun(run.name, values, f"merged model {folder}", run)
    model = trained_model(run.facts["config"], run.output_dir)
    return ServedRun(run.name, serve_values(chat, model), f"run {run.name} in {run.output_dir}", run)


@contextmanager
def serving(
    workspace: Workspace, pod: Pod, served: Served, *, key: Secret | None = None, port: int = 0
) -> Iterator[tuple[Endpoint, JobHandle]]:
    """Serve a model as long as the block lasts, and end the server with it, or with this process.

    Args:
        key: What callers must send; a new one for this block by default.
        port: On the client's 127.0.0.1; 0 takes a free one.

    Raises:
        UsageError: The port is taken.
        TrainingError: The server did not come up.
    """
    at, port = port, free_port(pod, port if pod.shared else 0)
    key = key or Secret(secrets.token_urlsafe(24))
    config = f"{STATE}/runs/{served.name}/serve-{port}.yaml"  # a file a server: two may be up at once
    write_text(workspace.root / config, render(served.values, f"How {served.what} is served."))
    pod.put([config, *([] if pod.shared else input_paths(workspace, served.values))])
    settings = pod_settings(workspace, pod)
    env = launch.base_env(settings, threads=training_environment(pod, settings).threads)
    command = launch.api(pod.python, config, env, port=port, key=key, model=served.name)
    handle, ready = pod.start(Job(f"serve-{served.name}-{port}", command, tethered=True)), False
    try:
        with pod.forward(port, at=at) as local:
            endpoint = Endpoint(f"http://127.0.0.1:{local}/v1", served.name, key)
            _wait_until_ready(endpoint, handle)
            ready = True
            yield endpoint, handle
    finally:
        well = ready and handle.status().alive
        handle.stop(5)
        (workspace.root / config).unlink(missing_ok=True)
        if well:  # nobody will ask for what it printed
            handle.forget()


def _wait_until_ready(endpoint: Endpoint, handle: JobHandle) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and handle.status().alive:
        # First without the key: whoever answers without asking for one is not our server.
        if endpoint.guarded():
            _check_identity(endpoint)
            return
        time.sleep(POLL_S)
    raise TrainingError(f"The server did not come up. The last it printed:\n{log_tail(handle)}")


def _check_identity(endpoint: Endpoint) -> None:
    names = endpoint.models()
    if endpoint.model not in names:
        raise EndpointError(f"{endpoint.url} serves {', '.join(names) or 'nothing'}, not {endpoint.model}.")


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
