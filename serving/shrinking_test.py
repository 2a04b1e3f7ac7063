"""What fails gets smaller and goes on failing."""

import hypothesis
from hypothesis import strategies

from serving import shrinking


def test_only_what_it_takes_is_left():
    data = b"x" * 100 + b"bad" + b"y" * 333
    assert shrinking.smallest(data, lambda data: b"bad" in data) == b"bad"


def test_parts_far_apart_are_left():
    data = b"." * 50 + b"{" + b"." * 50 + b"}" + b"." * 9
    assert shrinking.smallest(data, lambda data: b"{" in data and b"}" in data) == b"{}"


def test_what_does_not_fail_stays():
    assert shrinking.smallest(b"good", lambda data: False) == b"good"


def test_nothing_is_small_enough():
    assert shrinking.smallest(b"abc", lambda data: True) == b""
    assert shrinking.smallest(b"", lambda data: True) == b""


def test_it_ends_after_so_many_tests():
    tests = []

    def fails(data):
        tests.append(data)
        return b"abcdef" in data

    shrinking.smallest(b"abcdef" * 1000, fails, max_tests=10)
    assert len(tests) == 11  # and the first one, of all the data


@hypothesis.settings(deadline=None)
@hypothesis.given(strategies.binary(max_size=60), strategies.binary(max_size=3))
def test_what_is_left_fails(data, needle):
    whole = data + needle + data
    assert shrinking.smallest(whole, lambda data: needle in data) == needle
