"""Budgets."""

from __future__ import annotations

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.requests import named, operation

BUDGETS = "https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets"

KINDS: tuple[Kind, ...] = (
    Kind(
        "gcp:billing/budget:Budget",
        judge=Calls(
            "discovery billingbudgets.v1",
            operation(
                "billingbudgets.v1",
                "billingAccounts.budgets.create",
                {
                    "billingAccount": To("parent", lambda account: f"billingAccounts/{account}"),
                    "allUpdatesRule": "notificationsRule",
                    "budgetFilter.labels": To(
                        "labels", lambda found: {key: [value] for key, value in found.items()}
                    ),
                },
            ),
        ),
        id="billingAccounts/{billingAccount}/budgets/{uuid}",
        outputs={"name": "{id}"},
        references={"allUpdatesRule.pubsubTopic": Ref("gcp:pubsub/topic:Topic", by=("name",), holds=False)},
        rules=(named("billingAccount", r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", BUDGETS),
               named("displayName", r".{0,60}", BUDGETS)),
        immutable=frozenset({"billingAccount"}),
    ),
)  # fmt: skip
