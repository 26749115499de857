"""Where something is published: a repository of the Hub, a branch, a tag. Their names are checked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from millhand.errors import Finding, FindingsError

RepoType: TypeAlias = Literal["model", "dataset"]
MAIN = "main"
_LONGEST = 96  # huggingface_hub's validate_repo_id
_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Target:
    """A repository and the branch of it that is written to; ``tag`` names the commit that comes of it."""

    kind: RepoType
    id: str
    branch: str = MAIN
    tag: str = ""
    public: bool = False

    @property
    def namespace(self) -> str:
        """The user or the organisation."""
        return self.id.partition("/")[0]

    @property
    def step(self) -> str:
        """What tells this delivery from others in the ledger."""
        return f"{self.kind}:{self.id}@{self.branch}"


def check_target(target: Target) -> Target:
    """Return the target if the Hub takes such names.

    Raises:
        FindingsError: It does not.
    """
    check_repository(target.id)
    for option, name in (("--revision", target.branch), ("--tag", target.tag)):
        if name and not _is_revision(name):
            raise _refused(
                f"{option} {name!r} names no branch or tag.", "Letters, digits, '.', '_', '-', '/'."
            )
    if _COMMIT.fullmatch(target.branch):
        raise _refused(
            f"--revision {target.branch} is a commit.", "Name a branch: nothing is added to a commit."
        )
    return target


def check_repository(name: str) -> str:
    """Return the repository's name if it is one: USER/NAME, as the Hub writes it.

    Raises:
        FindingsError: It is none.
    """
    parts = name.split("/")
    well = len(parts) == 2 and all(_PART.fullmatch(part) for part in parts)
    if well and len(name) <= _LONGEST and not re.search(r"--|\.\.|\.git$", name):
        return name
    raise _refused(
        f"{name!r} names no repository of the Hub.",
        "Write USER/NAME: letters, digits, '-', '_', '.'; at most 96; no '--', '..' or '.git' at the end.",
    )


def _is_revision(name: str) -> bool:
    return bool(_REVISION.fullmatch(name)) and not re.search(r"\.\.|//|/$|\.lock$|\.$", name)


def _refused(message: str, mend: str) -> FindingsError:
    finding = Finding(
        id="hub.bad-name", severity="error", message=message, why="The Hub would refuse it.", mend=mend
    )
    return FindingsError([finding], message="Nothing was sent.")
