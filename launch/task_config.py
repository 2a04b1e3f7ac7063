"""Which task of which cluster this process is: TI-ONE's TF_CONFIG, plain TensorFlow's, or none.

TI-ONE names jobs `ps` and `worker` only; the Estimator of TF 1.15 wants exactly one `chief` and
numbers the other workers from 0. Here worker 0 becomes the chief and worker k becomes worker k-1.
The evaluator runs on the chief's node and is in no cluster.
Source: tensorflow_estimator 1.15.1, run_config.py; TI-ONE's guide, "系统环境变量".
"""

import hashlib
import ipaddress
import json
import re
from typing import Any, Dict, List, NamedTuple, Tuple

from data_pipeline import errors

CHIEF = "chief"
WORKER = "worker"
PS = "ps"
EVALUATOR = "evaluator"

# Of the two-process cluster that //launch:ps and //launch:worker form when there is no TF_CONFIG.
LOCAL_CLUSTER = {CHIEF: ["127.0.0.1:2223"], PS: ["127.0.0.1:2222"]}

# Jobs that others write into a cluster and TF 1.15 cannot have there, and what to do instead.
_OTHER_JOBS = {
    "evaluator": "it is in no cluster; give its process the task type evaluator",
    "master": "that is the old name of the chief; call it chief",
}

# Without leading zeros, since then equal addresses are equal texts.
_HOST_PORT = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})")


class _Task(NamedTuple):
    role: str
    index: int  # type: ignore[assignment]  # hides tuple.index, of no use here
    cluster: Dict[str, List[str]]


class TaskConfig(_Task):
    """One task of a cluster; `from_json` checks it.

    Attributes:
      role: "chief", "worker", "ps" or "evaluator".
      index: Number of the task within its role, from 0.
      cluster: Addresses "host:port" by role: one chief, at least one ps, perhaps workers.
    """

    @classmethod
    def from_json(cls, text: str) -> "TaskConfig":
        """Parses the value of TF_CONFIG in either form.

        Raises:
          InputError: It is not JSON, its cluster has no ps, two chiefs or two tasks with one
            address, or its task is not in its cluster.
        """
        try:
            return cls(*_parsed(text))
        except RecursionError as e:
            raise errors.InputError(
                "TF_CONFIG: expected JSON that is a few levels deep, got %s" % _shown(text)
            ) from e

    @classmethod
    def local(cls, role: str) -> "TaskConfig":
        """Task 0 of `role` in the two-process cluster on 127.0.0.1."""
        return cls(role, 0, LOCAL_CLUSTER)

    @property
    def is_chief(self) -> bool:
        return self.role == CHIEF

    @property
    def num_workers(self) -> int:
        """Tasks that train: the chief and the workers."""
        return 1 + len(self.cluster.get(WORKER, ()))

    @property
    def worker_rank(self) -> int:
        """0 for the chief, k + 1 for worker k: this task's share of the data."""
        assert self.role in (CHIEF, WORKER), self.role
        return 0 if self.is_chief else self.index + 1

    @property
    def address(self) -> str:
        return self.cluster[self.role][self.index]

    def as_evaluator(self) -> "TaskConfig":
        """The evaluator beside this task."""
        return TaskConfig(EVALUATOR, 0, self.cluster)

    def cluster_id(self) -> str:
        """16 hex digits that tell this cluster from others; equal in all its tasks."""
        text = json.dumps(self.cluster, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def to_json(self) -> str:
        """The TF_CONFIG that TF 1.15's RunConfig takes for this task."""
        task = {"type": self.role, "index": self.index}
        return json.dumps({"cluster": self.cluster, "task": task}, sort_keys=True)


def host_and_port(address: str) -> Tuple[str, int]:
    """Splits "host:port" as sockets want it: the brackets of an IPv6 address are gone.

    Raises:
      ValueError: It is not such an address.
    """
    match = _HOST_PORT.fullmatch(address)
    if not match or int(match.group(2)) > 65535:
        raise ValueError("expected host:port, got %s" % _shown(address))
    host = match.group(1)
    if host.startswith("["):
        host = host[1:-1]
        ipaddress.IPv6Address(host)
    return host, int(match.group(2))


def _parsed(text: str) -> Tuple[str, int, Dict[str, List[str]]]:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise errors.InputError("TF_CONFIG: expected JSON, got %s (%s)" % (_shown(text), e)) from e
    cluster = _member(value, "cluster", dict, "TF_CONFIG")
    _check_cluster(cluster)
    task = _member(value, "task", dict, "TF_CONFIG")
    role = _member(task, "type", str, "TF_CONFIG task")
    if role not in (CHIEF, WORKER, PS, EVALUATOR):
        raise errors.InputError(
            "TF_CONFIG task type: expected ps, worker, chief or evaluator, got %s%s"
            % (_shown(role), "; call it chief" if role == "master" else "")
        )
    index = _index(task)
    if role == EVALUATOR and index:
        # TF 1.15 takes any number of evaluators; ours would export over one another.
        raise errors.InputError(
            "TF_CONFIG task index %s: there is one evaluator, and its index is 0" % _shown(index)
        )
    size = len(cluster.get(role, ()))
    if role != EVALUATOR and index >= size:
        raise errors.InputError(
            "TF_CONFIG task index %s: the cluster has %d task(s) of type %r"
            % (_shown(index), size, role)
        )
    return _with_chief(role, index, cluster)


def _check_cluster(cluster: Dict[str, Any]) -> None:
    unknown = sorted(set(cluster) - {CHIEF, WORKER, PS})
    if unknown:
        advice = _OTHER_JOBS.get(unknown[0])
        raise errors.InputError(
            "TF_CONFIG cluster: expected the jobs ps, worker and chief, got also %s%s"
            % (_shown(unknown[0]), " (%s)" % advice if advice else "")
        )
    for job, addresses in sorted(cluster.items()):
        if not isinstance(addresses, list):
            raise errors.InputError(
                'TF_CONFIG cluster %r: expected a list of "host:port", got %s'
                % (job, _shown(addresses))
            )
        for address in addresses:
            _check_address(job, address)
    if len(cluster.get(CHIEF, [""])) != 1:
        # None in an empty list is no TI-ONE form either: whether worker 0 is meant, nobody can say.
        raise errors.InputError(
            "TF_CONFIG cluster: expected exactly one chief, got %d" % len(cluster[CHIEF])
        )
    for job in (PS, WORKER):
        if not cluster.get(job) and not (job == WORKER and CHIEF in cluster):
            raise errors.InputError("TF_CONFIG cluster: expected at least one %s, got none" % job)
    _check_distinct(cluster)


def _check_address(job: str, address: Any) -> None:
    try:
        host_and_port(address)
    except (TypeError, ValueError) as e:
        raise errors.InputError(
            'TF_CONFIG cluster %r: expected "host:port" with a port from 1 to 65535, got %s'
            % (job, _shown(address))
        ) from e


def _check_distinct(cluster: Dict[str, List[str]]) -> None:
    """Two tasks with one address: one waits for ever, or gRPC mixes the two."""
    owners: Dict[str, str] = {}
    for job, addresses in sorted(cluster.items()):
        for index, address in enumerate(addresses):
            task = "%s %d" % (job, index)
            other = owners.setdefault(address.lower(), task)
            if other != task:
                raise errors.InputError(
                    "TF_CONFIG cluster: expected an address of its own for each task, got %s for %s"
                    " and %s" % (_shown(address), other, task)
                )


def _index(task: Dict[str, Any]) -> int:
    index = task.get("index")
    # Some schedulers fill in templates and so give text, which TF 1.15 takes as well.
    if isinstance(index, str) and re.fullmatch("0|[1-9][0-9]{0,8}", index):
        return int(index)
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        # Absent is not 0: then every worker would be the chief.
        raise errors.InputError(
            "TF_CONFIG task index: expected an integer from 0, got %s"
            % (_shown(index) if "index" in task else "none")
        )
    return index


def _with_chief(
    role: str, index: int, cluster: Dict[str, List[str]]
) -> Tuple[str, int, Dict[str, List[str]]]:
    """Turns TI-ONE's form into the Estimator's; leaves the Estimator's alone."""
    if CHIEF not in cluster:
        chief, *workers = cluster[WORKER]
        cluster = dict(cluster, chief=[chief], worker=workers)
        if role == WORKER:
            role, index = (CHIEF, 0) if index == 0 else (WORKER, index - 1)
    # An empty job is none: the Estimator counts jobs.
    return role, index, {job: addresses for job, addresses in sorted(cluster.items()) if addresses}


def _member(value: Any, key: str, kind: type, where: str) -> Any:
    member = value.get(key) if isinstance(value, dict) else None
    if not isinstance(member, kind):
        raise errors.InputError(
            "%s: expected %r with a %s, got %s"
            % (where, key, "JSON object" if kind is dict else "string", _shown(value))
        )
    return member


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
