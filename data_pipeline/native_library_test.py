import numpy as np
import pytest

from data_pipeline import errors, native_library


def test_library_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="expected the native library.*no_such.so"):
        native_library.load(str(tmp_path / "module.py"), "no_such.so")


def test_file_that_is_no_library_is_refused(tmp_path):
    (tmp_path / "text.so").write_text("text")
    with pytest.raises(errors.InputError, match="expected the native library.*text.so"):
        native_library.load(str(tmp_path / "module.py"), "text.so")


def test_address_is_that_of_the_first_element():
    array = np.arange(6, dtype=np.int64)
    assert native_library.address(array).value == array.ctypes.data
    assert native_library.address(array[2:]).value == array.ctypes.data + 16


def test_array_with_gaps_is_refused():
    with pytest.raises(ValueError, match="contiguous"):
        native_library.address(np.arange(6)[::2])
