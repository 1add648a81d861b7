"""Each platform's own variables and files tell a node where it stands."""

from __future__ import annotations

import json

import pytest

from catalog.errors import UserError
from ml_jobs.runtime.environment import Node, node
from ml_jobs.runtime.platforms import SAGEMAKER_FILE

CLUSTER = {
    "cluster": {"workerpool1": ["w1-0:2222", "w1-1:2222"], "workerpool0": ["w0-0:2222"]},
    "environment": "cloud",
}


def cluster(kind: str, index: int) -> str:
    return json.dumps({**CLUSTER, "task": {"type": kind, "index": index}})


AZURE = {"AZUREML_RUN_ID": "r", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105"}
KUBERNETES = {"SKYWRIGHT_PLATFORM": "kubernetes", "SKYWRIGHT_NODES": "3", "MASTER_ADDR": "j-0.j", "MASTER_PORT": "3000"}
HOSTS = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-2"}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, Node("alone")),
        ({**KUBERNETES, "JOB_COMPLETION_INDEX": "2"}, Node("kubernetes", 2, 3, "j-0.j", 3000)),
        ({"JOB_COMPLETION_INDEX": "0"}, Node("kubernetes")),
        (HOSTS, Node("sagemaker", 1, 2, "algo-1", 29500)),
        ({"CLUSTER_SPEC": cluster("workerpool0", 0)}, Node("vertex", 0, 3, "w0-0", 2222)),
        ({"CLUSTER_SPEC": cluster("workerpool1", 1)}, Node("vertex", 2, 3, "w0-0", 2222)),
        ({"TF_CONFIG": cluster("workerpool1", 0), "SKYWRIGHT_PLATFORM": "vertex"}, Node("vertex", 1, 3, "w0-0", 2222)),
        ({"CLOUD_ML_JOB_ID": "7"}, Node("vertex")),
        ({**AZURE, "WORLD_SIZE": "2", "NODE_RANK": "1"}, Node("azureml", 1, 2, "10.0.0.4", 6105)),
        (
            {**AZURE, "WORLD_SIZE": "8", "NODE_RANK": "1", "SKYWRIGHT_NODES": "2"},
            Node("azureml", 1, 2, "10.0.0.4", 6105, has_ranks=True),
        ),
        ({"AZUREML_RUN_ID": "r"}, Node("azureml")),
    ],
)
def test_a_node_finds_its_place(env, expected, tmp_path):
    assert node(env, tmp_path) == expected


@pytest.mark.parametrize(("host", "index"), [("algo-1", 0), ("algo-10", 1), ("algo-2", 2)])
def test_sagemakers_hosts_are_numbered_by_their_own_order(tmp_path, host, index):
    path = tmp_path / SAGEMAKER_FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"current_host": host, "hosts": ["algo-1", "algo-10", "algo-2"]}))
    assert node({}, tmp_path) == Node("sagemaker", index, 3, "algo-1", 29500)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SKYWRIGHT_PLATFORM": "kubernets"}, "Did you mean kubernetes?"),
        ({**KUBERNETES, "JOB_COMPLETION_INDEX": "3"}, "index of this node (kubernetes) is 3; allowed: 0 to 2"),
        ({**KUBERNETES, "MASTER_ADDR": ""}, "MASTER_ADDR is not set"),
        ({**KUBERNETES, "SKYWRIGHT_NODES": "two"}, "SKYWRIGHT_NODES is 'two'; allowed: a whole number"),
        ({**HOSTS, "SM_CURRENT_HOST": "algo-3"}, "current_host (sagemaker) is 'algo-3'"),
        ({"SM_HOSTS": "algo-1"}, "SM_HOSTS is no JSON"),
        ({"CLUSTER_SPEC": "x"}, "CLUSTER_SPEC is no JSON"),
        ({"CLUSTER_SPEC": "[]"}, "CLUSTER_SPEC is []"),
        ({"CLUSTER_SPEC": cluster("workerpool2", 0)}, "a replica of workerpool0, workerpool1"),
    ],
)
def test_a_platform_that_contradicts_itself_is_one_line(env, said, tmp_path):
    with pytest.raises(UserError) as refused:
        node(env, tmp_path)
    assert said in str(refused.value) and "\n" not in str(refused.value)
