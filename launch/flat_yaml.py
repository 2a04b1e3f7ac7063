"""The entries of a flat mapping in YAML, line by line, and nothing else that YAML has.

PyYAML's events, not its nodes or values: those hide aliases and second keys, and here a nested file
is refused at its first nested value, however deep it goes on.
"""

import importlib
from typing import Any, Iterator, List, NamedTuple, Union

from data_pipeline import errors

# Every flag once, with long paths, has a tenth of it. PyYAML takes a second for this much.
_MAX_BYTES = 65536


class Scalar(NamedTuple):
    """A value.

    Attributes:
      text: As it stands there, without quotes.
      meaning: What YAML 1.1 takes it for: text, a number, a bool, a date, None, ... The text where
        it is quoted.
      is_quoted: Whether it stands in quotes, or in a block of text.
    """

    text: str
    meaning: Any
    is_quoted: bool


Value = Union[Scalar, List[Scalar]]


class Entry(NamedTuple):
    """One line of the mapping; the first line of a file is 1."""

    line: int
    key: str
    value: Value


def entries(path: str) -> Iterator[Entry]:
    """Yields the entries of a file in their order, keys as they stand there; none if it is empty.

    Raises:
      InputError: The file cannot be read, is larger than 64 KiB, is not YAML, or has anything but
        one flat mapping; the text has file and line. Or PyYAML is not installed.
    """
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as e:
        raise errors.InputError(
            "%s: expected PyYAML to read it with, got: %s; give the flags themselves" % (path, e)
        ) from e
    text = _text(path)
    try:
        yield from _Events(path, text, yaml).entries()
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise errors.InputError(
            "%s:%d: expected YAML, got the character U+%04X" % (path, line, e.character)
        ) from e
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise errors.InputError(
            "%s:%d: expected YAML, got: %s" % (path, mark.line + 1, e.problem or e.context)
        ) from e


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        raise errors.InputError(
            "expected a file, got %s: %s" % (getattr(e, "strerror", None) or e, path)
        ) from e
    if len(data) > _MAX_BYTES:
        raise errors.InputError(
            "%s: expected a configuration of at most %d bytes, got more" % (path, _MAX_BYTES)
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise errors.InputError("%s:%d: expected UTF-8, got %s" % (path, line, e.reason)) from e


class _Events:
    """PyYAML's events of one file, as entries."""

    def __init__(self, path: str, text: str, yaml: Any) -> None:
        self._path = path
        self._yaml = yaml
        self._loader = yaml.SafeLoader(text)

    def entries(self) -> Iterator[Entry]:
        yaml = self._yaml
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            return
        first = self._next()
        if isinstance(first, yaml.MappingStartEvent):
            yield from self._mapping()
        elif not isinstance(first, yaml.ScalarEvent) or first.value:
            raise self._refusal(first, "expected lines of `flag: value`, got %s" % _kind(first))
        self._next()  # the end of the document
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refusal(after, "expected one document, got a second one")

    def _mapping(self) -> Iterator[Entry]:
        yaml = self._yaml
        while True:
            key = self._next()
            if isinstance(key, yaml.MappingEndEvent):
                return
            if not isinstance(key, yaml.ScalarEvent):
                raise self._refusal(key, "expected the name of a flag, got %s" % _kind(key))
            line, value = key.start_mark.line + 1, self._next()
            if isinstance(value, yaml.ScalarEvent):
                yield Entry(line, key.value, self._scalar(value))
            elif isinstance(value, yaml.SequenceStartEvent):
                yield Entry(line, key.value, list(self._items(key.value)))
            else:
                raise self._nested(key.value, value)

    def _items(self, key: str) -> Iterator[Scalar]:
        yaml = self._yaml
        while True:
            item = self._next()
            if isinstance(item, yaml.SequenceEndEvent):
                return
            if not isinstance(item, yaml.ScalarEvent):
                raise self._nested(key, item)
            yield self._scalar(item)

    def _next(self) -> Any:
        try:
            event = self._loader.get_event()
        except (ValueError, OverflowError) as e:  # of chr(), at a "\UFFFFFFFF"
            line = self._loader.line + 1
            raise errors.InputError("%s:%d: expected YAML, got: %s" % (self._path, line, e)) from e
        if getattr(event, "anchor", None):  # aliases have one as well
            raise self._refusal(event, "expected no anchors and aliases, got %.80r" % event.anchor)
        if getattr(event, "tag", None):
            raise self._refusal(event, "expected no tags, got %.80s" % event.tag)
        return event

    def _scalar(self, event: Any) -> Scalar:
        if event.style:
            return Scalar(event.value, event.value, True)
        node_type = self._yaml.ScalarNode
        tag = self._loader.resolve(node_type, event.value, event.implicit)
        node = node_type(tag, event.value, event.start_mark, event.end_mark)
        try:
            return Scalar(event.value, self._loader.construct_object(node), False)
        except (ValueError, OverflowError, self._yaml.YAMLError) as e:
            # 2024-99-99 has the form of a date; a lone = is a special value that YAML 1.1 dropped.
            raise self._refusal(
                event,
                "expected text in quotes, got %.80s, which has the form of a YAML %s"
                % (event.value, tag.rpartition(":")[2]),
            ) from e

    def _nested(self, key: str, event: Any) -> errors.InputError:
        return self._refusal(event, "%.80s: expected a value, got %s" % (key, _kind(event)))

    def _refusal(self, event: Any, problem: str) -> errors.InputError:
        return errors.InputError("%s:%d: %s" % (self._path, event.start_mark.line + 1, problem))


def _kind(event: Any) -> str:
    return {"MappingStartEvent": "a mapping", "SequenceStartEvent": "a list"}.get(
        type(event).__name__, "text"
    )
