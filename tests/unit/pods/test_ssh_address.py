"""Where an sshd is: what ~/.ssh/config adds to what was said."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.pods.ssh.address import Address, completed

CONFIG = """\
Host gpu
    HostName 10.1.2.3
    Port 2222
    User trainer
    IdentityFile ~/keys/gpu
    IdentitiesOnly yes
    ProxyJump jump@bastion:2200
Host far
    HostName far.example
    ProxyJump one,two@second:22
Host *
    ServerAliveInterval 5
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    return path


def test_an_alias_gets_all_that_its_configuration_says(config: Path) -> None:
    found = completed(Address("gpu", 22, config_path=config))  # 22 says no more than nothing
    assert found == completed(Address("gpu", config_path=config))
    assert (found.host, found.port, found.user) == ("10.1.2.3", 2222, "trainer")
    assert found.key_files == (Path.home() / "keys" / "gpu",)
    assert found.only_these_keys
    assert found.jump == Address("bastion", 2200, "jump", config_path=config)


def test_what_was_said_comes_before_what_is_configured(config: Path) -> None:
    said = Address("gpu", 2022, "me", (Path("/my/key"),), config_path=config)
    found = completed(said)
    assert (found.host, found.port, found.user) == ("10.1.2.3", 2022, "me")
    assert found.key_files == (Path("/my/key"),)


def test_a_chain_of_jump_hosts_ends_at_the_nearest(config: Path) -> None:
    jump = completed(Address("far", config_path=config)).jump
    assert jump is not None
    assert (str(jump), str(jump.jump)) == ("two@second:22", "@one:22")


def test_without_a_configuration_openssh_s_defaults_hold(tmp_path: Path) -> None:
    found = completed(Address("host.example", config_path=tmp_path / "none"))
    assert (found.host, found.port, found.user, found.jump) == ("host.example", 22, getpass.getuser(), None)


def test_a_configuration_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('Host "unclosed\n')
    with pytest.raises(UsageError, match=f"{path} cannot be read"):
        completed(Address("host", config_path=path))
