"""Calls end in threads, hang, fail and are left out."""

import asyncio
import gc
import threading
import weakref

import pytest

from serving import work_threads

_DEADLINE_SECS = 30


@pytest.fixture
def run():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield lambda coroutine: loop.run_until_complete(asyncio.wait_for(coroutine, _DEADLINE_SECS))
    loop.close()
    asyncio.set_event_loop(None)


def test_result_comes_from_another_thread(run):
    async def call():
        return await work_threads.WorkThreads(1, 1).run(lambda x: (x, threading.get_ident()), 7)

    result, thread = run(call())
    assert result == 7
    assert thread != threading.get_ident()


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_error_is_raised_where_it_is_awaited_and_the_thread_lives_on(run, error):
    def fail():
        raise error("x")

    async def call():
        threads = work_threads.WorkThreads(1, 1)
        failed = threads.run(fail)
        await asyncio.wait([failed])
        assert isinstance(failed.exception(), error)
        return await threads.run(lambda: "next"), threads.busy

    assert run(call()) == ("next", 0)


def test_as_many_calls_run_at_once_as_there_are_threads(run):
    meeting = threading.Barrier(3, timeout=_DEADLINE_SECS)

    async def call():
        threads = work_threads.WorkThreads(3, 3)
        calls = [threads.run(meeting.wait) for _ in range(3)]
        busy = threads.busy
        return busy, sorted(await asyncio.gather(*calls)), threads.busy

    assert run(call()) == (3, [0, 1, 2], 0)


def test_a_call_given_up_before_its_turn_is_left_out(run):
    gate, ran = threading.Event(), []

    async def call():
        threads = work_threads.WorkThreads(1, 1)
        first = threads.run(gate.wait, _DEADLINE_SECS)
        second = threads.run(ran.append, "second")
        third = threads.run(ran.append, "third")
        second.cancel()
        gate.set()
        await third
        return await first, threads.busy

    assert run(call()) == (True, 0)
    assert ran == ["third"]


def test_a_call_given_up_while_it_runs_counts_until_it_ends(run):
    gate, entered = threading.Event(), threading.Event()

    def hang():
        entered.set()
        return gate.wait(_DEADLINE_SECS)

    async def call():
        threads = work_threads.WorkThreads(2, 2)
        hung = threads.run(hang)
        await threads.run(entered.wait, _DEADLINE_SECS)
        hung.cancel()
        counted = threads.busy
        gate.set()
        while threads.busy:
            await asyncio.sleep(0)
        return counted

    assert run(call()) == 1


def test_threads_are_added_while_all_hang(run):
    meeting = threading.Barrier(3, timeout=_DEADLINE_SECS)

    async def call():
        threads = work_threads.WorkThreads(1, 3)
        return sorted(await asyncio.gather(*[threads.run(meeting.wait) for _ in range(3)]))

    assert run(call()) == [0, 1, 2]


def test_no_more_threads_are_added_than_may_be(run):
    # Time enough to add some more.
    meeting = threading.Barrier(3, timeout=0.5)

    async def call():
        threads = work_threads.WorkThreads(1, 2)
        calls = [threads.run(meeting.wait) for _ in range(3)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(outcome) for outcome in run(call())] == [threading.BrokenBarrierError] * 3


def test_an_idle_thread_keeps_nothing_of_its_last_call(run):
    class Model:
        pass

    async def call():
        threads = work_threads.WorkThreads(1, 1)
        model = Model()
        seen = weakref.ref(model)
        await threads.run(id, model)
        del model
        gc.collect()
        return seen()

    assert run(call()) is None
