"""What proves a resource: a line per judgement in the account's folder, at every creation and change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from infra.rehearsal.core.account import Account
from infra.rehearsal.core.judge import Verdict, covers

FILE = "evidence.jsonl"


@dataclass(frozen=True)
class Evidence:
    """`tier`: accepted when an API's model judged it without a refusal and every declared input reached a request or
    has a reason; else rehearsed. `reasons`: of declared inputs that reached none. `unaccounted`: those with neither."""

    urn: str
    token: str
    tier: str
    judge: str
    declared: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    unaccounted: tuple[str, ...] = ()


def of(urn: str, token: str, declared: frozenset[str], verdict: Verdict) -> Evidence:
    carried = {leaf for leaf in declared if covers(verdict.carried, leaf)}
    reasons = {leaf: why for leaf in declared - carried if (why := _reason(verdict.reasons, leaf))}
    left = declared - carried - set(reasons)
    if "" in verdict.reasons:  # of the whole: why no model judges it
        reasons[""] = verdict.reasons[""]
    is_accepted = bool(verdict.judge) and not verdict.refusals and not left
    return Evidence(
        urn,
        token,
        "accepted" if is_accepted else "rehearsed",
        verdict.judge or "the SDK's types",
        tuple(sorted(declared)),
        tuple(sorted(carried)),
        dict(sorted(reasons.items())),
        tuple(sorted(left)),
    )


def _reason(reasons: Mapping[str, str], leaf: str) -> str:
    parts = leaf.split(".")
    paths = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((reasons[path] for path in paths if path in reasons), "")


def append(account: Account, found: Evidence) -> None:
    with open(account.folder / FILE, "a") as file:
        file.write(json.dumps(asdict(found)) + "\n")


def last(account: Account) -> list[Evidence]:
    """The last judgement of each resource, in the order of their first."""
    file = account.folder / FILE
    found: dict[str, Evidence] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        item = json.loads(line)
        found[item["urn"]] = Evidence(
            **{**item, **{key: tuple(item[key]) for key in ("declared", "carried", "unaccounted")}}
        )
    return list(found.values())
