"""The scripted pod: answers what it was told to answer, and refuses everything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from millhand.pods.base import Job, JobHandle, Result
from millhand.shell import Command

Matcher = tuple[str, ...] | Callable[[Command], bool]
Answer = Result | Sequence[Result]


class FakePod:
    """A pod for tests and dry rehearsals: nothing runs, everything is scripted.

    Args:
        script: Whole argv, or a predicate, -> how the command ends. A sequence is answered one after
            the other and then used up.
        jobs: Handles by the name of the job that may be started or attached to.
        files: Paths that may be put or got.
        contents: What may be read, by path.
        ports: Port of the pod -> port of the client that it is forwarded to.

    Whatever is not scripted raises AssertionError. ``commands``, ``inputs`` and ``started`` hold what
    was asked for, in order.
    """

    def __init__(
        self,
        script: Mapping[Matcher, Answer] | None = None,
        *,
        jobs: Mapping[str, JobHandle] | None = None,
        files: Collection[str] = (),
        contents: Mapping[str, bytes] | None = None,
        ports: Mapping[int, int] | None = None,
        name: str = "fake",
        python: str = "python",
        shared: bool = True,
    ) -> None:
        self.name, self.python, self.shared = name, python, shared
        self.variables: Mapping[str, str] = {}
        self.commands: list[Command] = []
        self.inputs: list[bytes] = []
        self.started: list[Job] = []
        self._script = [(matcher, _answers(answer)) for matcher, answer in (script or {}).items()]
        self._contents = dict(contents or {})
        self._jobs, self._files, self._ports = dict(jobs or {}), set(files), dict(ports or {})

    def claim(self, run: str) -> None:
        """Nothing: it is there for every run."""

    def release(self) -> None:
        """Nothing: it was not rented."""

    def present(self) -> AbstractContextManager[None]:
        """Nothing: it has no idle rule."""
        return nullcontext()

    def run(self, command: Command, *, stdin: bytes = b"", timeout_s: float | None = None) -> Result:
        """Answer as scripted."""
        self.commands.append(command)
        self.inputs.append(stdin)
        for matcher, answers in self._script:
            if _matches(matcher, command):
                answer = next(answers, None)
                if answer is None:
                    raise AssertionError(f"asked once too often: {command.argv}")
                return Result(command, answer.code, answer.stdout, answer.stderr)
        raise AssertionError(f"not scripted: {command.argv}")

    def start(self, job: Job) -> JobHandle:
        """Hand out the scripted handle of that job."""
        self.started.append(job)
        return self.attach(job.name)

    def attach(self, name: str) -> JobHandle:
        """Hand out the scripted handle of that name."""
        if name not in self._jobs:
            raise AssertionError(f"no job is scripted as {name!r}")
        return self._jobs[name]

    def jobs(self) -> list[str]:
        """The scripted jobs."""
        return list(self._jobs)

    def read(self, path: str, offset: int = 0) -> bytes:
        """The scripted file."""
        if path not in self._contents:
            raise AssertionError(f"no file is scripted as {path!r}")
        return self._contents[path][offset:]

    def put(self, paths: Iterable[str]) -> None:
        """Accept scripted paths only."""
        unscripted = set(paths) - self._files
        if unscripted:
            raise AssertionError(f"no transfer is scripted of {sorted(unscripted)}")

    def get(self, paths: Iterable[str], *, exclude: Iterable[str] = ()) -> None:
        """Accept scripted paths only."""
        self.put(paths)

    @contextmanager
    def forward(self, port: int, *, at: int = 0) -> Iterator[int]:
        """Yield the scripted port."""
        if port not in self._ports:
            raise AssertionError(f"port {port} is not scripted")
        yield self._ports[port]


def _matches(matcher: Matcher, command: Command) -> bool:
    return matcher(command) if callable(matcher) else matcher == command.argv


def _answers(answer: Answer) -> Iterator[Result]:
    if isinstance(answer, Result):
        return _forever(answer)
    return iter(answer)


def _forever(answer: Result) -> Iterator[Result]:
    while True:
        yield answer
