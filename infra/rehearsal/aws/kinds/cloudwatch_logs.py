"""Log groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.kinds.kms import KEY
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Rule, Unique
from infra.rehearsal.core.operations import Calls

RETENTION = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"
DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _retention(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = inputs.get("retentionInDays", 0)
    if days and days not in DAYS:
        known = ", ".join(map(str, DAYS))
        yield "retentionInDays", f"InvalidParameterException: retentionInDays is {days}; allowed: {known}"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:cloudwatch/logGroup:LogGroup",
        judge=Calls(
            "botocore logs",
            operation("logs", "CreateLogGroup", {"name": "logGroupName"}, omits=("retentionInDays",)),
            operation(
                "logs", "PutRetentionPolicy", {"name": "logGroupName"},
                when="retentionInDays", takes=("name", "retentionInDays"),
            ),
        ),
        outputs={"arn": "arn:aws:logs:{region}:{account}:log-group:{name}"},
        defaults={"logGroupClass": "STANDARD", "skipDestroy": False, "retentionInDays": 0},
        references={"kmsKeyId": KEY},
        unique=(Unique(("name",), "ResourceAlreadyExistsException: The specified log group already exists: {name}"),),
        rules=(Rule(RETENTION, _retention, needs=("retentionInDays",)),),
        immutable=frozenset({"name", "namePrefix", "logGroupClass"}),
        autoname=Autoname(max_length=512),
    ),
)  # fmt: skip
