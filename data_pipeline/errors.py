"""The one error type for input that a user can correct."""


class InputError(ValueError):
    """A file, folder, request or flag is not what was expected.

    The text names what was expected, what came, and where (file and line).
    """
