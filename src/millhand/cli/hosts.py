"""``millhand hosts``: the host keys that are trusted."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_json, say

EPILOG = """\b
Examples:
  millhand hosts list
  millhand hosts forget box
  millhand hosts forget ssh://kim@gpu.lab:2222/data"""


@click.group(cls=Group, epilog=EPILOG)
def hosts() -> None:
    """The host keys of machines: each was trusted at the first meeting, and no other is taken since."""


@hosts.command("list", epilog="\b\nExamples:\n  millhand hosts list\n  millhand hosts list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the kept keys and their fingerprints, as `ssh-keygen -lf` prints them on the machine."""
    from millhand.pods.ssh.hostkeys import kept_keys

    keys = kept_keys(_file())
    if as_json:
        print_json([{"pod": pod, **msgspec.structs.asdict(key)} for pod, key in keys.items()])
    for pod, key in keys.items() if not as_json else ():  # no table: a hash that is folded cannot be compared
        click.echo(f"{key.fingerprint}  {key.type:<19}  {pod}")
    if not keys:
        say("No host key is kept.")


@hosts.command(epilog=EPILOG)
@click.argument("pod")
@json_option
def forget(pod: str, as_json: bool) -> None:
    """Forget the key of POD: a name of the list, or what --pod takes. The next meeting is a first one.

    First compare the new key on the machine itself: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.
    """
    from millhand.pods.ssh.hostkeys import forget as strike

    path = _file()
    name = _kept_as(path, pod)
    strike(path, name)
    if as_json:
        print_json({"forgotten": name})
    say(f"Forgotten: {name}. The key that it shows at the next meeting is told, and taken.")


def _file() -> Path:
    from millhand.pods.ssh.hostkeys import FILE_NAME
    from millhand.workspace import find_workspace

    return find_workspace().state / FILE_NAME


def _kept_as(path: Path, pod: str) -> str:
    """The name under which a pod's key is kept.

    Raises:
        UsageError: None is kept for it.
    """
    from millhand.errors import MillhandError, UsageError
    from millhand.pods.podfile import find_pod
    from millhand.pods.ssh.hostkeys import kept_keys
    from millhand.text.normal import did_you_mean
    from millhand.workspace import find_workspace

    keys = kept_keys(path)
    if pod in keys:
        return pod
    try:
        name = find_pod(find_workspace(), pod).host
    except MillhandError:  # its file is gone: only the list knows it
        name = ""
    if name not in keys:
        mend = f"{did_you_mean(pod, keys)} Kept are: {', '.join(keys) or 'none'}.".strip()
        raise UsageError(f"No host key is kept for {pod!r}.", mend=mend)
    return name
