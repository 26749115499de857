"""`millhand ui`: LLaMA-Factory's WebUI with this workspace's datasets and configs in it; and TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from millhand.datasets.registry import Registry
from millhand.errors import MissingPackageError
from millhand.files import write_text
from millhand.llamafactory import launch, webui
from millhand.pods.base import JobHandle, Pod
from millhand.runs.environment import training_environment
from millhand.runs.facts import ask
from millhand.runs.inputs import input_paths
from millhand.runs.pages import Page, shown
from millhand.runs.places import pod_settings
from millhand.shell import Command
from millhand.training.project import open_project, project_names
from millhand.workspace import OUTPUTS, REGISTRY, Workspace

UI_PORT, TENSORBOARD_PORT = 7860, 6006
_CONFIGS = f"{webui.FOLDER}/llamaboard_config"
_CACHE = f"{webui.FOLDER}/llamaboard_cache"


@contextmanager
def web_ui(
    workspace: Workspace, pod: Pod, *, at: int = UI_PORT, language: str = "ko"
) -> Iterator[tuple[str, JobHandle]]:
    """Show the WebUI as long as the block lasts; what was trained on it comes home at the end.

    Raises:
        MissingPackageError: LLaMA-Factory or gradio is not installed there.
        UsageError: The port is taken.
        TrainingError: It did not come up.
    """
    settings = pod_settings(workspace, pod)
    environment = training_environment(pod, settings)
    _need(pod, "gradio", "`millhand install --webui` brings it.")
    env = launch.base_env(settings, threads=environment.threads)
    _lay_out(workspace, pod, language)
    page = Page("webui", lambda port: webui.command(pod.python, env, port=port), outlives=True)
    try:
        with shown(pod, page, at=at) as place:
            yield place
    finally:
        if not pod.shared:
            _fetch(pod)


def _need(pod: Pod, package: str, mend: str) -> None:
    if package not in ask(pod, quick=True).packages:
        raise MissingPackageError(f"{package} is not installed for {pod.python}.", mend=mend)


def _lay_out(workspace: Workspace, pod: Pod, language: str) -> None:
    projects = [open_project(workspace, name) for name in project_names(workspace)]
    configs = {project.name: project.values("train") for project in projects}
    entries = Registry(workspace.registry).entries()
    made = webui.files(entries, REGISTRY, configs, language=language)
    for path, text in made.items():
        remembered = path.startswith(_CACHE) and (workspace.root / path).is_file()
        if not remembered:  # the page keeps its language and model there
            write_text(workspace.root / path, text)
    (workspace.root / _CONFIGS).mkdir(exist_ok=True)
    if pod.shared:
        return
    read = [path for values in configs.values() for path in input_paths(workspace, values)]
    pod.put(list(dict.fromkeys([*made, REGISTRY, *read])))


def _fetch(pod: Pod) -> None:
    """Bring home what the page has made. Nothing trained on it, nothing saved: nothing to fetch."""
    for path in (webui.SAVES, _CONFIGS):
        listing = ("-I", "-S", "-c", "import os, sys; print(int(os.path.isdir(sys.argv[1])))", path)
        if pod.run(Command((pod.python, *listing))).stdout.strip() == "1":
            pod.get([path], exclude=("checkpoint-*",))


@contextmanager
def tensorboard(pod: Pod, *, at: int = TENSORBOARD_PORT) -> Iterator[tuple[str, JobHandle]]:
    """Show TensorBoard over all that the pod's runs have written, as long as the block lasts.

    Raises:
        MissingPackageError: TensorBoard is not installed there.
        UsageError: The port is taken.
        TrainingError: It did not come up.
    """
    _need(pod, "tensorboard", "`millhand install` brings it.")
    page = Page("tensorboard", lambda port: _tensorboard(pod.python, port))
    with shown(pod, page, at=at) as place:
        yield place


def _tensorboard(python: str, port: int) -> Command:
    options = ("--logdir", OUTPUTS, "--host", "127.0.0.1", "--port", str(port))
    return Command((python, "-P", "-m", "tensorboard.main", *options))
