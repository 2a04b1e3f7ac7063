#!/bin/sh
# The command of a worker node: one worker and one evaluator (which ends at once on all nodes but
# worker 0's). Ends when both have ended, with the worker's exit code, or else the evaluator's.
here=$(cd -- "$(dirname -- "$0")" && pwd) || exit

evaluator=
worker=
stop() {
  trap '' INT TERM
  # Unquoted: a signal may come before both have started.
  kill $worker $evaluator 2>/dev/null
  wait
  exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

# Both in the background, since a shell that waits for a foreground command hears no signals.
sh "$here/start.sh" evaluator "$@" &
evaluator=$!
sh "$here/start.sh" worker "$@" &
worker=$!

wait "$worker"
worker_status=$?
# No model will come from a failed worker, so nobody may wait for it. An evaluator that fails does
# not end hours of training: the job ends with its code, and when started again evaluates the rest.
# KILL, since a child that is not yet past its exec loses a TERM to this shell's trap; what the
# evaluator publishes, it publishes by renaming.
[ "$worker_status" -eq 0 ] || kill -KILL "$evaluator" 2>/dev/null
wait "$evaluator"
evaluator_status=$?

[ "$worker_status" -eq 0 ] || exit "$worker_status"
exit "$evaluator_status"
