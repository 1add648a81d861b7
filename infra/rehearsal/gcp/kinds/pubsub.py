"""Topics."""

from __future__ import annotations

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import ALL, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation

TOPIC = "gcp:pubsub/topic:Topic"
NAMES = "https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names"

KINDS: tuple[Kind, ...] = (
    Kind(
        TOPIC,
        judge=Calls(
            "discovery pubsub.v1",
            operation(
                "pubsub.v1", "projects.topics.create", {"name": To("name", lambda name: f"projects/p/topics/{name}")}
            ),
        ),
        id="projects/{project}/topics/{name}",
        references={"kmsKeyName": Ref(KEY, by=("name",))},
        unique=(Unique(("name",), "googleapi: Error 409: Resource already exists in the project", "account"),),
        rules=(named("name", r"(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}", NAMES),),
        immutable=frozenset({"name", "project"}),
    ),
    Kind(
        "gcp:pubsub/topicIAMMember:TopicIAMMember",
        judge=Calls(
            "discovery pubsub.v1",
            grant("pubsub.v1", "projects.topics.setIamPolicy", resource="projects/{project}/topics/{topic}"),
            local={"topic": "stands in the call's path"},
        ),
        id="projects/{project}/topics/{topic}/{role}/{member}",
        references={"topic": Ref(TOPIC, by=("name",))},
        rules=(BINDING,),
        immutable=ALL,
    ),
)
