import pytest

from launch import evaluation


def test_held_checkpoint_survives_the_chiefs_clean_up(tmp_path):
    for step in (1, 2):
        for suffix in (".index", ".data-00000-of-00001", ".meta"):
            (tmp_path / ("model.ckpt-%d%s" % (step, suffix))).write_text("%d%s" % (step, suffix))
        held = evaluation.hold(str(tmp_path / ("model.ckpt-%d" % step)), str(tmp_path / "held"))
    for path in tmp_path.glob("model.ckpt-*"):
        path.unlink()
    assert held == str(tmp_path / "held" / "model.ckpt-2")
    assert (tmp_path / "held" / "model.ckpt-2.index").read_text() == "2.index"
    assert len(list((tmp_path / "held").iterdir())) == 3


def test_checkpoint_that_is_gone_is_not_held(tmp_path):
    with pytest.raises(FileNotFoundError, match="model.ckpt-7"):
        evaluation.hold(str(tmp_path / "model.ckpt-7"), str(tmp_path / "held"))


def test_published_folder_holds_exactly_one_model(tmp_path):
    source, target = tmp_path / "candidate", tmp_path / "saved_model"
    (source / "222").mkdir(parents=True)
    (source / "222" / "saved_model.pb").write_bytes(b"new")
    (target / "111").mkdir(parents=True)
    published = evaluation.publish_folder(str(source), str(target))
    assert published == str(target / "222")
    assert [p.name for p in target.iterdir()] == ["222"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["candidate", "saved_model"]


def test_publishing_again_after_a_crash_gives_the_same(tmp_path):
    source, target = tmp_path / "candidate", tmp_path / "saved_model"
    (source / "222").mkdir(parents=True)
    (tmp_path / "saved_model.new" / "half").mkdir(parents=True)
    (tmp_path / "saved_model.old" / "111").mkdir(parents=True)
    for _ in range(2):
        assert evaluation.publish_folder(str(source), str(target)) == str(target / "222")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["candidate", "saved_model"]
