"""What goes wrong between a client and an sshd. Each says what, why and the next command.

::

    ConnectError            no connection, and trying again will not help
    ├── UnreachableError    nobody answers now: trying again may help
    ├── HostKeyError        the machine cannot prove to be the one that was meant
    │   └── WrongPinError   its key is none of those that are pinned
    └── NoAgentError        no agent comes up there: no Python, or none that is new enough
    AgentError              an agent that was there ended
    ConnectionLostError     an established connection broke; what was asked may or may not have been done
"""

from __future__ import annotations

from millhand.errors import MillhandError


class ConnectError(MillhandError):
    """No connection can be made; trying again will not help."""


class UnreachableError(ConnectError):
    """Nobody answers at the moment."""


class HostKeyError(ConnectError):
    """The machine that answers cannot prove to be the one that was meant."""


class WrongPinError(HostKeyError):
    """The machine's key is none of those that are pinned."""


class ConnectionLostError(MillhandError):
    """An established connection broke."""


class NoAgentError(ConnectError):
    """No agent came up at the other end: no Python there, or none that is new enough."""


class AgentError(MillhandError):
    """An agent that was there ended by itself."""
