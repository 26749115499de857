"""Command lines of LLaMA-Factory 0.9.5, as values. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from millhand.llamafactory import output_state
from millhand.llamafactory import speak as _speak
from millhand.shell import Command, Secret

# The workspace is the current folder: without -P a file there named like a library would shadow it.
_SAFE = ("-P", "-u")
_SECRET = ("HF_TOKEN", "WANDB_API_KEY")
_PLAIN = (
    "HF_HOME",
    "HF_DATASETS_CACHE",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "NCCL_P2P_DISABLE",
    "NCCL_IB_DISABLE",
)
# torchrun kills its workers 30 s after SIGTERM, in the middle of a large model's checkpoint. It is to give
# them all of the grace that a run is given (STOP_GRACE_S of millhand.runs.follow), less what it needs itself.
# A variable and not torchrun's --shutdown-timeout: a torch before 2.12 knows neither and refuses the option.
WORKERS_GRACE_S = 165
_DISTRIBUTED = ("FORCE_TORCHRUN", "NPROC_PER_NODE")


def base_env(settings: Mapping[str, str], *, threads: int | None) -> dict[str, str | Secret]:
    """The environment of every LLaMA-Factory process.

    Args:
        settings: The workspace's settings; access keys among them travel as secrets.
        threads: For torch; None leaves it to torch. A small model's step takes 0.1 s on one thread and
            2-9 s when torch's default threads fight over two busy cores.
    """
    # LLaMA-Factory opens dataset_info.json and its YAML in the locale's encoding: cp949 on a Korean Windows.
    env: dict[str, str | Secret] = {"PYTHONUTF8": "1"}
    env |= {n: Secret(settings[n]) for n in _SECRET if settings.get(n)}
    env |= {n: settings[n] for n in (*_PLAIN, *_DISTRIBUTED, "DISABLE_VERSION_CHECK") if settings.get(n)}
    if "OMP_NUM_THREADS" in settings:
        env["OMP_NUM_THREADS"] = settings["OMP_NUM_THREADS"]
    elif threads is not None:
        env["OMP_NUM_THREADS"] = str(threads)
    return env


def cpu_threads(cores: int) -> int:
    """Threads for torch on a machine without a GPU: one on a small machine, half of a larger one's."""
    return 1 if cores <= 4 else cores // 2


def train(python: str, config: str, env: Mapping[str, str | Secret], *, processes: int = 1) -> Command:
    """``llamafactory-cli train CONFIG``.

    For more than one process the CLI joins a torchrun command line and splits it on blanks, and needs
    torchrun on the PATH; so what it would start is started here, argument by argument
    (``llamafactory/launcher.py``).
    """
    if processes > 1 or _is_set(env.get("FORCE_TORCHRUN")):
        asked = env.get("NPROC_PER_NODE", str(processes))
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={asked}")
        patient = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(WORKERS_GRACE_S), **env}
        return Command((python, *_SAFE, *torchrun, "--module", "llamafactory.launcher", config), patient)
    return Command((python, *_SAFE, "-m", "llamafactory.cli", "train", config), env)


def export(python: str, config: str, env: Mapping[str, str | Secret]) -> Command:
    """``llamafactory-cli export CONFIG``."""
    return Command((python, *_SAFE, "-m", "llamafactory.cli", "export", config), env)


def api(
    python: str, config: str, env: Mapping[str, str | Secret], *, port: int, key: Secret, model: str
) -> Command:
    """``llamafactory-cli api CONFIG``, on 127.0.0.1 only and with a key (its own defaults are open)."""
    server: dict[str, str | Secret] = {
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "API_KEY": key,
        "API_MODEL_NAME": model,
    }
    return Command((python, *_SAFE, "-m", "llamafactory.cli", "api", config), {**env, **server})


def inspect_output(python: str, output_dir: str, *, set_aside: bool = False) -> tuple[Command, bytes]:
    """What lies in a run's output folder, as a command and its standard input."""
    flags = ("--set-aside",) if set_aside else ()
    return Command((python, "-I", "-S", "-", output_dir, *flags)), Path(output_state.__file__).read_bytes()


def speak(
    python: str,
    folder: str,
    question: str,
    env: Mapping[str, str | Secret],
    *,
    new_tokens: int,
    trust_remote_code: bool = False,
) -> tuple[Command, bytes]:
    """Load a model folder and generate a few tokens, as a command and its standard input.

    The question is a row of the user's data: it travels in the environment, not in the list of processes.
    """
    flags = ("--trust-remote-code",) if trust_remote_code else ()
    argv = (python, "-P", "-", folder, str(new_tokens), *flags)
    return Command(argv, {**env, "MILLHAND_QUESTION": Secret(question)}), Path(_speak.__file__).read_bytes()


def _is_set(value: str | Secret | None) -> bool:
    return isinstance(value, str) and value.lower() in ("true", "y", "1")
