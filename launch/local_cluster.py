"""A cluster of task programs on 127.0.0.1, with the TF_CONFIG that TI-ONE would give them."""

import contextlib
import json
import os
import socket
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from launch import child_output, processes

# A ps polls for the end of the job; more than that is a ps that does not leave.
_PS_LEAVES_SECS = 30.0

# The lines of all tasks; see child_output.MergedLog.
ALL_LOG = "all.log"

# Gives the value of TF_CONFIG from the addresses by role, and the task's role and index.
TfConfigFor = Callable[[Dict[str, List[str]], str, int], str]


class Task(NamedTuple):
    """One task as TI-ONE starts it.

    Attributes:
      name: For people: "ps 0", "chief", "worker 1", "evaluator".
      program: Name of its program.
      role: TF_CONFIG's role: "ps" or "worker".
      number: TF_CONFIG's index in the role.
    """

    name: str
    program: str
    role: str
    number: int


class LocalCluster:
    """The running processes, one a task.

    Args:
      addresses: host:port of each task, by TF_CONFIG's role: "ps", "worker".
      tasks: All of them.
      start: Starts the process of a task.
    """

    def __init__(
        self,
        addresses: Dict[str, List[str]],
        tasks: Sequence[Task],
        start: Callable[[Task], processes.Process],
    ) -> None:
        self.addresses = addresses
        self._tasks = {task.name: task for task in tasks}
        self._start = start
        self._processes: Dict[str, processes.Process] = {}

    @property
    def tasks(self) -> List[Task]:
        """Ps, chief, workers, evaluator."""
        return list(self._tasks.values())

    def process(self, name: str) -> processes.Process:
        """The process that a task has now. Raises ValueError for an unknown name."""
        return self._processes[self._task(name).name]

    def start(self) -> None:
        """Starts all tasks."""
        for task in self.tasks:
            self._processes[task.name] = self._start(task)

    def restart(self, name: str) -> processes.Process:
        """Starts a task again, as it was; its log goes on. Stops it first if it still runs.

        The thread that calls this must live as long as the task: see processes.Process.

        Raises:
          ValueError: No task has this name.
        """
        self.process(name).stop()
        self._processes[name] = self._start(self._task(name))
        return self._processes[name]

    def wait(self, deadline_secs: float) -> None:
        """Returns when all have ended with 0; raises ProcessError otherwise."""
        processes.wait_all(self._others(), self._servers(), deadline_secs)
        processes.wait_all(self._servers(), [], _PS_LEAVES_SECS)

    def stop(self) -> None:
        """Stops what still runs; the ps last, since the chief saves what they hold."""
        processes.stop_all(self._others())
        processes.stop_all(self._servers())

    def _servers(self) -> List[processes.Process]:
        """The parameter servers, which leave when the job is done."""
        return [p for name, p in self._processes.items() if self._tasks[name].program == "ps"]

    def _others(self) -> List[processes.Process]:
        """The chief, the workers and the evaluator, which end by themselves."""
        return [p for name, p in self._processes.items() if self._tasks[name].program != "ps"]

    def _task(self, name: str) -> Task:
        if name not in self._tasks:
            raise ValueError("task: expected one of %s, got %r" % (", ".join(self._tasks), name))
        return self._tasks[name]


@contextlib.contextmanager
def running(
    programs: str,
    num_ps: int,
    num_workers: int,
    flags: Sequence[str],
    logs: str,
    report: Callable[[str], None],
    tf_config_for: Optional[TfConfigFor] = None,
    evaluator: bool = True,
) -> Iterator[LocalCluster]:
    """Yields a started cluster; whatever is left of it at the end is stopped.

    Args:
      programs: Folder of the programs ps, worker and evaluator.
      num_ps: Parameter servers.
      num_workers: Workers, the chief included.
      flags: Given to every program.
      logs: Folder that gets a log file for each task, and ALL_LOG.
      report: Takes "name | line" for each line on a task's stdout.
      tf_config_for: Makes TF_CONFIG, for a test whose tasks see other addresses; the evaluator's
        is that of worker 0.
      evaluator: Whether to start one; without, nothing is evaluated or exported.
    """
    make_config = tf_config_for or tf_config
    addresses = free_addresses(num_ps + num_workers)
    by_role = {"ps": addresses[:num_ps], "worker": addresses[num_ps:]}

    def start(task: Task) -> processes.Process:
        return processes.Process(
            task.name,
            [os.path.join(programs, task.program)] + list(flags),
            dict(os.environ, TF_CONFIG=make_config(by_role, task.role, task.number)),
            os.path.join(logs, task.name.replace(" ", "_") + ".log"),
            report,
            all_log,
        )

    cluster = LocalCluster(by_role, _tasks(num_ps, num_workers, evaluator), start)
    with contextlib.closing(child_output.MergedLog(os.path.join(logs, ALL_LOG))) as all_log:
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


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


def _tasks(num_ps: int, num_workers: int, evaluator: bool) -> List[Task]:
    tasks = [Task("ps %d" % i, "ps", "ps", i) for i in range(num_ps)]
    tasks += [
        Task("chief" if i == 0 else "worker %d" % i, "worker", "worker", i)
        for i in range(num_workers)
    ]
    if evaluator:
        # On TI-ONE it runs beside worker 0, with the same TF_CONFIG.
        tasks.append(Task("evaluator", "evaluator", "worker", 0))
    return tasks
