"""A cluster of task programs on 127.0.0.1, with the TF_CONFIG that TI-ONE would give them."""

import contextlib
import json
import os
import socket
from typing import Callable, Dict, Iterator, List, NamedTuple, Sequence

from launch import processes

# A ps polls for the end of the job; more than that is a ps that does not leave.
_PS_LEAVES_SECS = 30.0


class _Task(NamedTuple):
    """One process: its name for people, its program, and TF_CONFIG's task."""

    name: str
    program: str
    role: str
    number: int


class LocalCluster(NamedTuple):
    """The running processes.

    Attributes:
      servers: The parameter servers, which leave when the job is done.
      others: The chief, the workers and the evaluator, which end by themselves.
    """

    servers: List[processes.Process]
    others: List[processes.Process]

    def wait(self, deadline_secs: float) -> None:
        """Returns when all have ended with 0; raises ProcessError otherwise."""
        processes.wait_all(self.others, self.servers, deadline_secs)
        processes.wait_all(self.servers, [], _PS_LEAVES_SECS)


@contextlib.contextmanager
def running(
    programs: str,
    num_ps: int,
    num_workers: int,
    flags: Sequence[str],
    logs: str,
    report: Callable[[str], None],
) -> Iterator[LocalCluster]:
    """Yields a started cluster; whatever is left of it at the end is killed.

    Args:
      programs: Folder of the programs ps, worker and evaluator.
      num_ps: Parameter servers.
      num_workers: Workers, the chief included.
      flags: Given to every program.
      logs: Folder that gets a log file for each task.
      report: Takes "name | line" for each line on a task's stdout.
    """
    addresses = free_addresses(num_ps + num_workers)
    cluster = {"ps": addresses[:num_ps], "worker": addresses[num_ps:]}
    started: List[processes.Process] = []
    try:
        for task in _tasks(num_ps, num_workers):
            started.append(
                processes.Process(
                    task.name,
                    [os.path.join(programs, task.program)] + list(flags),
                    dict(os.environ, TF_CONFIG=tf_config(cluster, task.role, task.number)),
                    os.path.join(logs, task.name.replace(" ", "_") + ".log"),
                    report,
                )
            )
        yield LocalCluster(started[:num_ps], started[num_ps:])
    finally:
        for process in started:
            process.stop()


def tf_config(cluster: Dict[str, List[str]], role: str, index: int) -> str:
    """The value of TF_CONFIG in the form that TI-ONE gives it."""
    task = {"type": role, "index": index}
    return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})


def free_addresses(count: int) -> List[str]:
    """Addresses free at this moment: TF tasks must know all before any of them starts."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return ["127.0.0.1:%d" % s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _tasks(num_ps: int, num_workers: int) -> List[_Task]:
    tasks = [_Task("ps" if num_ps == 1 else "ps %d" % i, "ps", "ps", i) for i in range(num_ps)]
    tasks += [
        _Task("chief" if i == 0 else "worker %d" % i, "worker", "worker", i)
        for i in range(num_workers)
    ]
    # On TI-ONE it runs beside worker 0, with the same TF_CONFIG.
    return tasks + [_Task("evaluator", "evaluator", "worker", 0)]
