from launch import evaluation


def test_history_survives_a_line_cut_short(tmp_path):
    path = tmp_path / "evaluations.jsonl"
    history = evaluation.History(str(path))
    history.add({"auc": 0.5, "global_step": 1})
    with open(str(path), "a") as lines:
        lines.write('{"auc": 0.9, "glob')
    assert history.records() == [{"auc": 0.5, "global_step": 1}]


def test_best_is_the_first_of_the_highest_auc(tmp_path):
    history = evaluation.History(str(tmp_path / "evaluations.jsonl"))
    assert history.best() is None
    for step, auc in ((1, 0.6), (2, 0.7), (3, 0.7), (4, 0.65)):
        history.add({"auc": auc, "global_step": step})
    assert history.best()["global_step"] == 2


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
