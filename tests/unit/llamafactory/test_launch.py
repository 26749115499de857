"""LLaMA-Factory's command lines, compared whole."""

from __future__ import annotations

from millhand.llamafactory import launch
from millhand.runs.follow import STOP_GRACE_S
from millhand.shell import Secret

CONFIG = ".millhand/runs/qa/train.yaml"


def test_one_process_is_the_command_line_of_llamafactory() -> None:
    assert launch.train("py", CONFIG, {}).argv == (
        "py",
        "-P",
        "-u",
        "-m",
        "llamafactory.cli",
        "train",
        CONFIG,
    )
    assert launch.export("py", CONFIG, {}).argv == (
        "py",
        "-P",
        "-u",
        "-m",
        "llamafactory.cli",
        "export",
        CONFIG,
    )


def test_several_processes_are_started_argument_by_argument() -> None:
    argv = ("/a b/python", "-P", "-u", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    assert launch.train("/a b/python", CONFIG, {}, processes=2).argv == (
        *argv,
        "--module",
        "llamafactory.launcher",
        CONFIG,
    )
    forced = {"FORCE_TORCHRUN": "1", "NPROC_PER_NODE": "2"}
    assert launch.train("/a b/python", CONFIG, forced).argv[:7] == argv
    assert "torch.distributed.run" not in launch.train("py", CONFIG, {"FORCE_TORCHRUN": "0"}).argv


def test_torchrun_leaves_its_workers_the_time_to_save_a_checkpoint() -> None:
    assert launch.train("py", CONFIG, {}, processes=2).revealed_env() == {
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(launch.WORKERS_GRACE_S)
    }
    assert 120 < launch.WORKERS_GRACE_S < STOP_GRACE_S - 10
    assert launch.train("py", CONFIG, {}).revealed_env() == {}


def test_the_server_listens_on_loopback_with_a_key_that_is_no_argument() -> None:
    command = launch.api("py", CONFIG, {"OMP_NUM_THREADS": "1"}, port=8123, key=Secret("planted"), model="qa")
    assert command.argv == ("py", "-P", "-u", "-m", "llamafactory.cli", "api", CONFIG)
    assert command.revealed_env() == {
        "OMP_NUM_THREADS": "1",
        "API_HOST": "127.0.0.1",
        "API_PORT": "8123",
        "API_KEY": "planted",
        "API_MODEL_NAME": "qa",
    }
    assert [name for name, value in command.env.items() if isinstance(value, Secret)] == ["API_KEY"]


def test_threads_are_the_users_where_they_are_set_and_keys_travel_as_secrets() -> None:
    settings = {
        "HF_TOKEN": "hf_planted",
        "OMP_NUM_THREADS": "7",
        "HOME": "/root",
        "HF_ENDPOINT": "http://127.0.0.1:1",
    }
    env = launch.base_env(settings, threads=1)
    assert env == {
        "PYTHONUTF8": "1",
        "HF_TOKEN": Secret("hf_planted"),
        "HF_ENDPOINT": "http://127.0.0.1:1",
        "OMP_NUM_THREADS": "7",
    }
    assert launch.base_env({}, threads=3) == {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "3"}
    assert launch.base_env({}, threads=None) == {"PYTHONUTF8": "1"}


def test_a_small_machine_trains_on_one_thread() -> None:
    assert [launch.cpu_threads(cores) for cores in (1, 2, 4, 8, 32)] == [1, 1, 1, 4, 16]
