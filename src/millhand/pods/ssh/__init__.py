"""A pod behind an sshd: connection, agent sessions, jobs and tunnels.

:class:`~millhand.pods.ssh.pod.SshPod` is the pod. What rests on the same connection, as sync does, opens an
agent of its own::

    stream = connection.open_agent(bundle(modules, entry), transport="new")
    with stream:                        # closes the channel, and the transport if it is the stream's own
        stream.write(...); stream.flush(); stream.read(65536)

``transport="new"`` is a TCP connection of its own, with a window and a core of its own, for bulk data;
``"shared"`` is a channel of the connection that all else uses. A stream whose connection breaks raises
:class:`~millhand.pods.ssh.faults.ConnectionLostError`; the end of the agent itself reads as ``b""``, and
``stream.farewell()`` says how it ended. Open a new one to go on: that reconnects.

paramiko is imported by the modules in here, and these only where an SSH pod is used.
"""

import logging

# paramiko logs what it also raises; without a handler Python would print that to the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
