"""The locked tikit has what the user's guide calls, without the packages we leave out."""

import importlib

import pytest
from tikit import client, models


def test_guide_calls_exist():
    calls = (
        "upload_to_cos describe_training_frameworks describe_postpaid_training_price "
        "create_training_task describe_system_reasoning_images create_model_by_task "
        "describe_training_model_version describe_postpaid_reasoning_price create_model_service "
        "describe_service_call_info"
    )
    assert [name for name in calls.split() if not hasattr(client.Client, name)] == []
    assert hasattr(models.ModelConfigInfo, "new_model_reference_lite")


@pytest.mark.parametrize("name", ["sasl", "krb5", "gssapi", "thrift", "pyhive"])
def test_hive_packages_are_left_out(name):
    with pytest.raises(ImportError):
        importlib.import_module(name)
