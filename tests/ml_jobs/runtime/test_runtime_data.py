"""Inputs are checked before training; a mistake names the column, the value and what is allowed."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.errors import UserError
from ml_jobs.contract import Input
from ml_jobs.runtime.data import check, digest, statistics

GOOD = {
    "pixels": np.arange(12.0).reshape(3, 4),
    "label": np.array([0, 1, 2]),
    "name": np.array(["a", "b", None], dtype=object),
}
SCHEMA = {
    "pixels": {"dtype": "float64", "shape": [4], "minimum": 0, "maximum": 16},
    "label": {"dtype": "int64", "shape": [], "allowed": [0, 1, 2]},
    "name": {"nullable": True},
}


def asked(**changes) -> Input:
    return Input(name="digits", url="package://x", columns={**SCHEMA, **changes})


def changed(**columns):
    return {**GOOD, **columns}


def test_a_right_table_gives_its_digest():
    assert check(asked(), GOOD) == digest(GOOD)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (changed(pixels=np.full((3, 4), 17.0)), "column pixels has 17.0 in row 0 and 11 more; allowed: <= 16"),
        (changed(pixels=np.array([[0, 0, 0, 0], [0, -2.5, 0, 0], [0] * 4], float)), "has -2.5 in row 1; allowed: >= 0"),
        (changed(pixels=np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, np.nan, 0, 0]])), "1 nulls, first in row 2"),
        (changed(pixels=np.zeros((3, 5))), "rows of shape [5]; allowed: [4]"),
        (changed(pixels=np.zeros((3, 4), "float32")), "dtype float32; allowed: float64"),
        (changed(label=np.array([0, 1, 9])), "column label has 9 in row 2; allowed: one of 0, 1, 2"),
        (changed(label=np.array([0, 1])), "columns differ in length"),
        ({key: value for key, value in GOOD.items() if key != "label"}, "has no column 'label'"),
        ({**{key: value for key, value in GOOD.items() if key != "label"}, "labels": GOOD["label"]}, "Did you mean"),
        ({key: value[:0] for key, value in GOOD.items()}, "has no rows"),
        ({}, "has no columns"),
    ],
)
def test_a_wrong_table_is_one_line(table, said):
    with pytest.raises(UserError) as refused:
        check(asked(), table)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"minmum": 0}, "unknown check 'minmum'"),
        ({"dtype": "flaot"}, "dtype 'flaot' is unknown"),
        ({"minimum": "a"}, "which has no order with 'a'"),
        ({"nullable": False}, "has 1 nulls, first in row 2"),
    ],
)
def test_a_wrong_rule_is_one_line(rule, said):
    column = "name" if "nullable" in rule else "pixels"
    with pytest.raises(UserError) as refused:
        check(asked(**{column: rule}), GOOD)
    assert said in str(refused.value)


def test_a_duplicate_in_a_unique_column_is_named():
    with pytest.raises(UserError, match="has 1 2 times; allowed: once"):
        check(asked(label={"unique": True}), changed(label=np.array([0, 1, 1])))


def test_another_digest_is_refused():
    given = Input(name="digits", url="package://x", digest="0" * 64)
    with pytest.raises(UserError, match="The data changed"):
        check(given, GOOD)


def test_the_digest_sees_values_names_types_and_shapes_but_not_layout():
    base = {"a": np.arange(6.0).reshape(2, 3)}
    assert digest(base) == digest({"a": np.asfortranarray(base["a"])})
    assert digest(base) == digest({"a": base["a"].astype(">f8")})
    others = [{"b": base["a"]}, {"a": base["a"].astype("f4")}, {"a": base["a"].reshape(3, 2)}, {"a": base["a"] + 1}]
    assert len({digest(base), *map(digest, others)}) == 5


def test_statistics_describe_every_feature():
    found = statistics(GOOD)
    assert set(found) == {"pixels[0]", "pixels[1]", "pixels[2]", "pixels[3]", "label", "name"}
    assert found["pixels[1]"]["mean"] == 5 and found["pixels[1]"]["min"] == 1 and found["pixels[1]"]["max"] == 9
    assert sum(found["label"]["histogram"]["counts"]) == 3
    assert found["name"] == {"count": 3, "nulls": 1, "top": {"a": 1, "b": 1}}
