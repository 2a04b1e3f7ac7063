"""Which task of which cluster this process is: TI-ONE's TF_CONFIG, plain TensorFlow's, or none.

TI-ONE names jobs `ps` and `worker` only; the Estimator of TF 1.15 wants exactly one `chief` and
numbers the other workers from 0. Here worker 0 becomes the chief and worker k becomes worker k-1.
The evaluator runs on the chief's node and is in no cluster.
Source: tensorflow_estimator 1.15.1, run_config.py; TI-ONE's guide, "系统环境变量".
"""

import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Tuple

from data_pipeline import errors

CHIEF = "chief"
WORKER = "worker"
PS = "ps"
EVALUATOR = "evaluator"

# Of the two-process cluster that //launch:ps and //launch:worker form when there is no TF_CONFIG.
LOCAL_CLUSTER = {CHIEF: ["127.0.0.1:2223"], PS: ["127.0.0.1:2222"]}


class _Task(NamedTuple):
    role: str
    index: int  # type: ignore[assignment]  # hides tuple.index, of no use here
    cluster: Dict[str, List[str]]


class TaskConfig(_Task):
    """One task of a cluster, checked when built.

    Attributes:
      role: "chief", "worker", "ps" or "evaluator".
      index: Number of the task within its role, from 0.
      cluster: Addresses "host:port" by role: one chief, at least one ps, perhaps workers.
    """

    @classmethod
    def from_json(cls, text: str) -> "TaskConfig":
        """Parses the value of TF_CONFIG in either form.

        Raises:
          InputError: It is not JSON, has no ps, or its task is not in its cluster.
        """
        try:
            value = json.loads(text)
        except ValueError as e:
            raise errors.InputError(
                "TF_CONFIG: expected JSON, got %s (%s)" % (_shown(text), e)
            ) from e
        cluster = _checked_cluster(_member(value, "cluster", dict, "TF_CONFIG"))
        task = _member(value, "task", dict, "TF_CONFIG")
        role = _member(task, "type", str, "TF_CONFIG task")
        index = task.get("index", 0)
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise errors.InputError(
                "TF_CONFIG task index: expected an integer from 0, got %s" % _shown(index)
            )
        if role not in (CHIEF, WORKER, PS, EVALUATOR):
            raise errors.InputError(
                "TF_CONFIG task type: expected ps, worker, chief or evaluator, got %s"
                % _shown(role)
            )
        size = len(cluster.get(role, ()))
        if role != EVALUATOR and index >= size:
            raise errors.InputError(
                "TF_CONFIG task index %d: the cluster has %d task(s) of type %r"
                % (index, size, role)
            )
        return cls(*_with_chief(role, index, cluster))

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


def _checked_cluster(cluster: Dict[str, Any]) -> Dict[str, List[str]]:
    unknown = sorted(set(cluster) - {CHIEF, WORKER, PS})
    if unknown:
        # An evaluator listed in the cluster would make every other task wait for it.
        raise errors.InputError(
            "TF_CONFIG cluster: expected the jobs ps, worker and chief, got also %s"
            % ", ".join(unknown)
        )
    for job, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(_is_address(a) for a in addresses):
            raise errors.InputError(
                'TF_CONFIG cluster %r: expected a list of "host:port", got %s'
                % (job, _shown(addresses))
            )
    for job in (PS, WORKER):
        if not cluster.get(job) and not (job == WORKER and cluster.get(CHIEF)):
            raise errors.InputError("TF_CONFIG cluster: expected at least one %s, got none" % job)
    if len(cluster.get(CHIEF, [""])) != 1:
        raise errors.InputError(
            "TF_CONFIG cluster: expected exactly one chief, got %d" % len(cluster[CHIEF])
        )
    return cluster


def _with_chief(role: str, index: int, cluster: Dict[str, List[str]]) -> Tuple[str, int, dict]:
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


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    host, _, port = value.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
