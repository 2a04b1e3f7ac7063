"""`//launch:ps`: a parameter server, until the chief is done."""

import sys
from typing import List, Optional

from launch import parameter_server, task_config, task_main

_PROGRAM = task_main.Program(
    name="ps",
    description="Holds a part of the model's variables.",
    roles=(task_config.PS,),
    run=parameter_server.run,
)


def main(argv: Optional[List[str]] = None, cuda_visible_devices: str = "") -> int:
    """Runs the task that TF_CONFIG names; without it, ps 0 of a two-process cluster here."""
    return task_main.main(_PROGRAM, cuda_visible_devices, argv)


if __name__ == "__main__":
    sys.exit(main())
