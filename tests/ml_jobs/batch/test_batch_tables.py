"""Tables and rows: every format gives the same table, and a row that a server would refuse is named."""

from __future__ import annotations

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet

from catalog.errors import UserError
from ml_jobs.batch import score, table
from ml_jobs.runtime.storage import Folder
from ml_jobs.serve.protocol import Signature
from ml_jobs.serve.tensors import TensorSpec

VECTORS = np.arange(8.0).reshape(4, 2)
SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 2)), TensorSpec("n", "INT8", (-1,))), ())


def write(folder, name, x=VECTORS, **columns):
    columns = {"n": np.arange(len(x)), **columns}
    path = folder / name
    folder.mkdir(exist_ok=True)
    if name.endswith(".npz"):
        np.savez(path, x=x, **columns)
    elif name.endswith(".parquet"):
        parquet.write_table(pyarrow.table({"x": list(x), **columns}), path)
    else:
        flat = {f"x[{index}]": x[:, index] for index in range(x.shape[1])}
        csv.write_csv(pyarrow.table({**flat, **columns}), path)
    return path


@pytest.mark.parametrize("name", ["rows.npz", "rows.parquet", "rows.csv"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_every_format_gives_the_same_rows(tmp_path, name, is_folder):
    path = write(tmp_path / "rows", name)
    if is_folder:
        write(tmp_path / "rows", f"s-{name}", x=VECTORS + 8)
    found = table.read((path.parent if is_folder else path).as_uri())
    column = table.column_of(found, SIGNATURE.inputs[0], "input")
    np.testing.assert_array_equal(column, np.concatenate([VECTORS, VECTORS + 8]) if is_folder else VECTORS)


def test_a_shipped_data_set_is_a_table():
    assert table.read("package://scikit-learn/digits")["pixels"].shape == (1797, 64)


def columns(x=VECTORS, n=None):
    return {"x": np.asarray(x), "n": np.arange(len(x)) if n is None else np.asarray(n)}


def test_rows_become_the_model_s_own_types():
    (part,) = score.parts_of(4, 10)
    found = score.rows_of(columns(), SIGNATURE, part)
    assert (found["x"].dtype, found["x"].shape, found["n"].dtype) == (np.float32, (4, 2), np.int8)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (columns(x=[[1, 2], [3, float("nan")]]), "row 1: input 'x' has a value beyond FP32"),
        (columns(x=[[1, 2], [3, 1e300]]), "row 1: input 'x' has a value beyond FP32"),
        (columns(x=[["a", "b"]]), "row 0: input 'x' has 'a' among its data; its datatype takes numbers"),
        (columns(x=[[1.0, 2.0, 3.0]]), r"row 0: input 'x' has shape \[1, 3\]; the model takes \[-1, 2\]"),
        (columns(n=[1, 2, 3, 1000]), "row 3: input 'n' has 1000; INT8 holds -128 to 127"),
        (columns(n=[1.0, 2.0, 3.0, 4.0]), "row 0: input 'n' has 1.0 among its data; its datatype takes whole numbers"),
        (columns(n=[True, True, True, True]), "row 0: input 'n' has true among its data"),
        (columns(n=np.array([1, 2, None, 4], dtype=object)), "row 2: input 'n' has null among its data"),
    ],
)
def test_a_row_that_a_server_would_refuse_is_named(given, told):
    (part,) = score.parts_of(len(given["x"]), 10)
    with pytest.raises(UserError, match=told):
        score.rows_of(given, SIGNATURE, part)


def test_no_part_is_written_while_a_row_is_wrong(tmp_path):
    folder, parts = Folder(tmp_path.as_uri()), score.parts_of(4, 2)
    with pytest.raises(UserError, match="row 3"):
        score.begin(folder, {"rows": 4}, columns(n=[1, 2, 3, 1000]), SIGNATURE, parts)
    assert folder.names() == []
    score.begin(folder, {"rows": 4}, columns(), SIGNATURE, parts)
    score.begin(folder, {"rows": 4}, columns(), SIGNATURE, parts)
    with pytest.raises(UserError, match="holds other answers: its rows is 4, this job's is 5"):
        score.begin(folder, {"rows": 5}, columns(), SIGNATURE, parts)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: folder / "rows.npz", "is not there"),
        (lambda folder: folder, "holds no .parquet, .csv, .npz file"),
        (lambda folder: write(folder, "rows.npz").rename(folder / "rows.parquet"), "can't be read as parquet"),
        (lambda folder: (write(folder, "a.npz"), write(folder, "b.csv"))[0].parent, "several formats: .csv, .npz"),
        (lambda folder: (write(folder, "a.npz"), write(folder, "b.npz", m=VECTORS))[0].parent, "with other columns"),
        (lambda folder: "package://scikit-learn/digit", "Did you mean package://scikit-learn/digits"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told(tmp_path, make, told):
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match=told):
        table.read(str(make(tmp_path / "data")))


def test_a_missing_column_is_told_with_those_there_are():
    with pytest.raises(UserError, match=r"has no column 'x', nor x\[0\] to x\[1\], .* it has: n, y"):
        table.column_of({"y": VECTORS, "n": VECTORS}, SIGNATURE.inputs[0], "input rows")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rows_per_part": 0}, "params.rows_per_part is 0"),
        ({"keep": "id"}, "params.keep is 'id'"),
        ({"outputs": ""}, "params.outputs is unknown"),
    ],
)
def test_wrong_params_are_told(changes, told):
    with pytest.raises(UserError, match=told):
        score.checked(score.PARAMS | changes)


@pytest.mark.parametrize(("name", "told"), [("z", "has: x"), ("label", "which the answers hold too")])
def test_what_can_t_be_kept_is_told(name, told):
    with pytest.raises(UserError, match=told):
        score.kept_columns(
            {"x": VECTORS, "label": VECTORS} if name == "label" else {"x": VECTORS}, [name], ["label"], "u"
        )


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 5))
def test_parts_hold_every_row_once_whoever_takes_them(rows, rows_per_part, ranks):
    parts = score.parts_of(rows, rows_per_part)
    taken = [part for rank in range(ranks) for part in parts[rank::ranks]]
    assert sorted(row for part in taken for row in range(part.start, part.end)) == list(range(rows))
    assert len({part.name for part in taken}) == len(parts) and all(part.of == len(parts) for part in parts)
