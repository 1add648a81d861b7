"""Topics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.documents import resource
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

TOPIC = "aws:sns/topic:Topic"
CREATE = "https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html"


def _name(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, is_fifo = str(inputs.get("name", "x")), bool(inputs.get("fifoTopic"))
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", name.removesuffix(".fifo")) or name.endswith(".fifo") is not is_fifo:
        yield "name", f"InvalidParameter: Invalid parameter: Topic Name: {name}"


KINDS: tuple[Kind, ...] = (
    Kind(
        TOPIC,
        judge=Calls(
            "botocore sns",
            operation(
                "sns", "CreateTopic",
                {"kmsMasterKeyId": "Attributes.KmsMasterKeyId", "displayName": "Attributes.DisplayName"},
            ),
        ),
        id="arn:aws:sns:{region}:{account}:{name}",
        outputs={"arn": "{id}", "owner": "{account}"},
        references={"kmsMasterKeyId": Ref("aws:kms/key:Key", by=("arn", "keyId"), skips="alias/aws/")},
        unique=(Unique(("name",), "InvalidParameter: Topic {name} already exists with different attributes"),),
        rules=(Rule(CREATE, _name, needs=("name",)),),
        immutable=frozenset({"name", "namePrefix", "fifoTopic"}),
        autoname=Autoname(max_length=256),
    ),
    Kind(
        "aws:sns/topicPolicy:TopicPolicy",
        judge=Calls(
            "botocore sns",
            operation(
                "sns", "SetTopicAttributes", {"arn": "TopicArn", "policy": To("AttributeValue")},
                fixed={"AttributeName": "Policy"},
            ),
        ),
        id="{arn}",
        outputs={"owner": "{account}"},
        references={"arn": Ref(TOPIC, by=("arn",), holds=True)},
        unique=(Unique(("arn",), "{arn} has a policy already, declared elsewhere"),),
        rules=(resource("policy"),),
        immutable=frozenset({"arn"}),
        is_replaced_after_delete=True,
    ),
)  # fmt: skip
