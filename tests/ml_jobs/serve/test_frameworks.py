"""Models of each framework as a server opens them, and their exports to ONNX."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_house import make_artifact, make_sklearn_artifact
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Release
from ml_jobs.registry.artifact import digest
from ml_jobs.serve import export as exporting
from ml_jobs.serve.artifact import Golden, verified
from ml_jobs.serve.export import INT8_TOLERANCE, compare, export
from ml_jobs.serve.served import open_release
from ml_jobs.serve.skops_model import TRUSTED

CLASSES = ("label", "probabilities")
ESTIMATORS: list[tuple[Any, str, tuple[str, ...]]] = [
    (LogisticRegression(max_iter=1000), "FP32", CLASSES),
    (make_pipeline(StandardScaler(), LogisticRegression()), "FP64", CLASSES),
    (HistGradientBoostingClassifier(max_iter=5), "FP64", CLASSES),
    (RandomForestClassifier(5, random_state=0), "FP32", ("label",)),
    (HistGradientBoostingRegressor(max_iter=5), "FP64", ("prediction",)),
    (LinearRegression(), "FP32", ("prediction",)),
]


def reread(release: dict[str, Any], change: Any) -> Release:
    """The release after its folder was changed and registered as it now is."""
    folder = Path(release["artifact_url"].removeprefix("file://"))
    change(folder)
    return Release.model_validate({**release, "artifact_sha256": digest(str(folder))})


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rename_output(folder: Path, name: str) -> None:
    edit(folder, outputs=[{"name": name, "datatype": "INT64", "shape": [-1]}])
    golden = folder / "golden.json"
    golden.write_text(golden.read_text().replace('"label"', f'"{name}"'))


@pytest.mark.parametrize(("estimator", "datatype", "outputs"), ESTIMATORS, ids=lambda value: str(value)[:30])
def test_estimators_are_served_and_exported_with_the_same_answers(tmp_path, estimator, datatype, outputs):
    release = make_sklearn_artifact(tmp_path / "a", estimator=estimator, datatype=datatype, outputs=outputs)
    served = open_release(Release.model_validate(release))
    assert served.platform == "sklearn_skops"
    url = (tmp_path / "onnx").as_uri()
    made = export(Release.model_validate(release), url)
    assert made.agreement.top1 == 1 and made.agreement.max_difference <= made.tolerance == 1e-4
    converted = open_release(Release.model_validate({**release, "artifact_url": url, "artifact_sha256": digest(url)}))
    assert converted.platform == "onnxruntime_onnx"
    assert converted.signature == served.signature
    kind = np.float32 if datatype == "FP32" else np.float64
    rows = {"features": np.random.default_rng(0).uniform(0, 7, (200, 4)).astype(kind)}
    want, got = served.predict(rows), converted.predict(rows)
    for name in outputs:
        assert got[name].dtype == want[name].dtype
        np.testing.assert_allclose(got[name], want[name], atol=1e-4, rtol=1e-4)


def test_an_export_is_the_same_bytes_each_time_and_says_where_it_is_from(tmp_path):
    release = Release.model_validate(make_sklearn_artifact(tmp_path / "a"))
    urls = [(tmp_path / name).as_uri() for name in ("one", "two")]
    for url in urls:
        export(release, url)
    assert digest(urls[0]) == digest(urls[1])
    lineage = json.loads((tmp_path / "one" / "lineage.json").read_text())["exported_from"]
    assert (lineage["version"], lineage["artifact_sha256"]) == (1, release.artifact_sha256)
    with pytest.raises(UserError, match="ONNX already"):
        export(release.model_copy(update={"artifact_url": urls[0], "artifact_sha256": digest(urls[0])}), urls[1])


def test_torch_is_exported_in_32_bits_and_in_8(tmp_path):
    release = Release.model_validate(make_artifact(tmp_path / "a", sizes=(4, 256, 256, 3)))
    whole = export(release, (tmp_path / "fp32").as_uri())
    small = export(release, (tmp_path / "int8").as_uri(), is_int8=True)
    assert whole.agreement.top1 == 1 and whole.agreement.max_difference < 1e-5
    assert small.agreement.top1 >= 0.96 and 0 < small.agreement.max_difference <= small.tolerance == INT8_TOLERANCE
    assert small.after.size_bytes < 0.35 * small.before.size_bytes
    assert min(small.after.one_row_ms, small.before.golden_rows_ms) > 0
    url = (tmp_path / "int8").as_uri()
    open_release(release.model_copy(update={"artifact_url": url, "artifact_sha256": digest(url)}))


def test_what_int8_would_not_change_is_refused(tmp_path):
    with pytest.raises(UserError, match="int8 would change nothing"):
        export(Release.model_validate(make_sklearn_artifact(tmp_path / "a")), (tmp_path / "x").as_uri(), is_int8=True)


def test_an_export_whose_answers_differ_is_not_written(tmp_path, monkeypatch):
    other = make_artifact(tmp_path / "other", seed=5)
    graph = exporting.graph_of(verified(Release.model_validate(other)), exporting.read_model(tmp_path / "other"))
    monkeypatch.setattr(exporting, "graph_of", lambda folder, model: graph)
    with pytest.raises(SkywrightError, match="answers otherwise as ONNX"):
        export(Release.model_validate(make_artifact(tmp_path / "a")), (tmp_path / "x").as_uri())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("want", "got", "difference", "top1"),
    [
        ({"s": [[0.9, 0.1], [0.4, 0.6]]}, {"s": [[0.8, 0.2], [0.6, 0.4]]}, 0.2, 0.5),
        ({"s": [[0.9], [0.4]]}, {"s": [[0.8], [0.6]]}, 0.2, 1.0),
        ({"s": [1.0, 2.0]}, {"s": [1.0, np.nan]}, np.inf, 1.0),
    ],
)
def test_agreement_counts_differences_and_first_choices(want, got, difference, top1):
    want, got = ({name: np.array(value) for name, value in each.items()} for each in (want, got))
    found = compare(Golden({}, want), got)
    assert found.max_difference > 1e300 if np.isinf(difference) else found.max_difference == pytest.approx(difference)
    assert found.top1 == top1


def test_labels_count_by_equality():
    assert compare(Golden({}, {"label": np.array([1, 2, 3, 4])}), {"label": np.array([1, 2, 3, 9])}).top1 == 0.75


def shout(rows: Any) -> Any:
    return rows


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda folder: (folder / "model.skops").write_bytes(pickle.dumps(LinearRegression())),
            "can't be read by skops",
        ),
        (lambda folder: (folder / "model.skops").unlink(), "can't be read by skops"),
        (lambda folder: rename_output(folder, "decision"), "can't give the outputs that model.json names"),
        (lambda folder: edit(folder, framework="torch"), "no architecture"),
        (lambda folder: edit(folder, framework="onnx"), "can't be read by onnxruntime"),
        (lambda folder: edit(folder, framework="tensorflow"), "known: onnx, sklearn, torch"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_not_served(tmp_path, damage, words):
    estimator = RandomForestClassifier(2)
    with pytest.raises(UserError) as error:
        open_release(reread(make_sklearn_artifact(tmp_path / "a", estimator=estimator), damage))
    assert words in str(error.value)


def test_types_beyond_the_closed_list_are_refused(tmp_path):
    """A function by name is what a file would call code with."""
    pipeline = make_pipeline(FunctionTransformer(shout), LogisticRegression())
    with pytest.raises(UserError, match="types that are not trusted"):
        open_release(Release.model_validate(make_sklearn_artifact(tmp_path / "a", estimator=pipeline)))


def test_a_graph_without_the_outputs_that_the_artifact_names_is_not_served(tmp_path):
    url = (tmp_path / "onnx").as_uri()
    release = make_sklearn_artifact(tmp_path / "a")
    export(Release.model_validate(release), url)
    with pytest.raises(UserError, match="has no outputs labels"):
        open_release(reread({**release, "artifact_url": url}, lambda folder: rename_output(folder, "labels")))


def test_every_trusted_type_is_needed(tmp_path):
    """The list is closed: each of its scikit-learn types holds the data of an estimator that people serve."""
    import skops.io
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.datasets import load_iris
    from sklearn.neighbors import KNeighborsClassifier

    rows, labels = load_iris(return_X_y=True)
    found: set[str] = set()
    for estimator in (
        HistGradientBoostingClassifier(max_iter=2), RandomForestClassifier(2), KNeighborsClassifier(),
        CalibratedClassifierCV(LogisticRegression(max_iter=1000), cv=2), MLPClassifier((2,), max_iter=2),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ):  # fmt: skip
        found.update(skops.io.get_untrusted_types(data=skops.io.dumps(estimator.fit(rows, labels))))
    assert found <= set(TRUSTED)
    assert len(found) >= 6


def test_the_folder_that_a_platform_has_mounted_is_verified_like_any_other(tmp_path):
    folder = tmp_path / "mounted"
    away = Release.model_validate({**make_sklearn_artifact(folder), "artifact_url": "s3://nowhere/iris"})
    assert verified(away, str(folder)) == verified(away, folder.as_uri()) == folder
    (folder / "more").write_text("x")
    with pytest.raises(SkywrightError, match="altered after it was approved"):
        verified(away, str(folder))
