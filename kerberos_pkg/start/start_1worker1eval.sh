#!/bin/sh
# The command of a worker node: one worker and one evaluator (which ends at once on all nodes but
# worker 0's). Ends when both have ended, with the worker's exit code, or else the evaluator's.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit

worker=
evaluator=

# Tells one child to end. A child that is not yet past its exec still has this shell's command line
# and traps, and would lose the signal.
end() {
  while cmp -s "/proc/$$/cmdline" "/proc/$1/cmdline"; do :; done
  kill "$1" 2>/dev/null || :
}

# Passes on that the node must stop, and waits: the chief saves first, for up to 10 s.
# shellcheck disable=SC2317 # The traps call it.
stop() {
  trap '' HUP INT TERM
  # The signal may come before either has started, or between a start and the line after it: then
  # only $! knows.
  for child in $worker $!; do
    end "$child"
  done
  wait
  exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM

# Both in the background, since a shell that waits for a foreground command hears no signals.
sh "$here/start.sh" worker "$@" &
worker=$!
# Without TF_CONFIG the worker is alone with a PS, and evaluates by itself.
if [ -n "${TF_CONFIG-}" ]; then
  sh "$here/start.sh" evaluator "$@" &
  evaluator=$!
fi

# `||` for those who run this with `sh -e`.
worker_status=0
wait "$worker" || worker_status=$?
worker=
# No model will come from a failed worker, so nobody may wait for it. An evaluator that fails does
# not end hours of training: the job ends with its code, and when started again evaluates the rest.
if [ "$worker_status" -ne 0 ] && [ -n "$evaluator" ]; then
  end "$evaluator"
fi
evaluator_status=0
[ -z "$evaluator" ] || wait "$evaluator" || evaluator_status=$?

[ "$worker_status" -eq 0 ] || exit "$worker_status"
exit "$evaluator_status"
