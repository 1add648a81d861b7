"""What stands behind an endpoint."""

from __future__ import annotations

from collections.abc import Iterator

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule

ENDPOINTS = ("skywright:*:ModelEndpoint",)


def releases_of(endpoint: Props) -> list[tuple[str, Props]]:
    return list(endpoint.mapping("spec").mapping("releases").mappings())


@rule(
    "releases-approved",
    Severity.CRITICAL,
    types=ENDPOINTS,
    title="A release carries an approval, in production and wherever the endpoint demands one",
    why="Without one, a version that nobody looked at answers customers.",
    remedy="Approve the version with `skywright models approve`, then release it with `skywright release`.",
)
def releases_approved(endpoint: Props) -> Iterator[Finding]:
    is_waived = endpoint.mapping("spec").get("requires_approval") is False
    if is_waived and not endpoint.flag("isProduction"):
        return
    for _, release in releases_of(endpoint):
        approval = release.get("approval_ref")
        if not isinstance(approval, str) or not approval.strip():
            yield Finding(at=release.at("approval_ref"), found=approval)


def _endpoint(is_production: object = True, requires_approval: object = True, **releases: object) -> dict[str, object]:
    spec = {"releases": releases, "requires_approval": requires_approval}
    return {"isProduction": is_production, "spec": spec}


releases_approved.examples(
    good=[
        _endpoint(),
        _endpoint(a={"approval_ref": "file:///approvals/m.jsonl#sha256=ab"}),
        _endpoint(False, False, a={}),
    ],
    bad=[
        _endpoint(a={}),
        _endpoint(a={"approval_ref": None}),
        _endpoint(a={"approval_ref": " "}),
        _endpoint(a={"approval_ref": "x"}, b={"approval_ref": ""}),
        _endpoint(True, False, a={}),
        _endpoint(False, True, a={}),
        _endpoint(False, None, a={}),
    ],
    unknown=[
        _endpoint(a={"approval_ref": UNKNOWN}),
        _endpoint(UNKNOWN, False, a={}),
        _endpoint(False, UNKNOWN, a={}),
        {"isProduction": True, "spec": UNKNOWN},
    ],
)


@rule(
    "release-weights-sum-to-100",
    Severity.HIGH,
    types=ENDPOINTS,
    title="The weights of an endpoint's releases sum to 100",
    why="Anything else leaves requests without a release, or gives some to one that nobody meant.",
    remedy="Set weight_percent of the releases so that they sum to 100.",
)
def weights_sum_to_100(endpoint: Props) -> Finding | None:
    weights = [release.number("weight_percent") for _, release in releases_of(endpoint)]
    if weights and abs(sum(weights) - 100) > 1e-6:
        return Finding(at="spec.releases", found=f"weights that sum to {sum(weights):g}")
    return None


weights_sum_to_100.examples(
    good=[
        _endpoint(),
        _endpoint(a={"weight_percent": 100}),
        _endpoint(a={"weight_percent": 33.3}, b={"weight_percent": 66.7}),
        _endpoint(a={"weight_percent": 100}, b={"weight_percent": 0}),
    ],
    bad=[
        _endpoint(a={"weight_percent": 0}),
        _endpoint(a={"weight_percent": 90}, b={"weight_percent": 20}),
        _endpoint(a={"weight_percent": 99.9}),
    ],
    unknown=[_endpoint(a={"weight_percent": 90}, b={"weight_percent": UNKNOWN}), _endpoint(a=UNKNOWN)],
)


@rule(
    "release-shares-are-percents",
    Severity.HIGH,
    types=ENDPOINTS,
    title="A release gets between 0 and 100 percent of the requests, and of the copies",
    why="A share beyond 100 is refused by some clouds half-way through an update, and misread by others.",
    remedy="Set weight_percent and shadow_percent to values from 0 to 100.",
)
def shares_are_percents(endpoint: Props) -> Iterator[Finding]:
    for _, release in releases_of(endpoint):
        for key in ("weight_percent", "shadow_percent"):
            if not 0 <= (share := release.number(key)) <= 100:
                yield Finding(at=release.at(key), found=share)


shares_are_percents.examples(
    good=[
        _endpoint(),
        _endpoint(a={"weight_percent": 100, "shadow_percent": 0}, b={"weight_percent": 0, "shadow_percent": 100}),
    ],
    bad=[
        _endpoint(a={"weight_percent": 100, "shadow_percent": 101}),
        _endpoint(a={"weight_percent": -1, "shadow_percent": 0}, b={"weight_percent": 101, "shadow_percent": 0}),
    ],
    unknown=[_endpoint(a={"weight_percent": 100, "shadow_percent": UNKNOWN})],
)
