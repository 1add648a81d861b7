"""A need against its limit: live, published or neither."""

from __future__ import annotations

import pytest

from catalog.quotas import named, published
from policies.quota import Basis, Limit, Status, check, findings
from policies.quota.model import Demand, of_quota

EIP = of_quota("aws", "ec2", "EC2-VPC Elastic IPs", 6, "nat")
A100 = of_quota("gcp", "compute", "PREEMPTIBLE_NVIDIA_A100_GPUS", 8, "pool", standard="NVIDIA_A100_GPUS")
H100 = of_quota("gcp", "compute", "GPUs per GPU family", 8, "pool", dimension="NVIDIA_H100")
M6I = of_quota("aws", "sagemaker", "ml.m6i.xlarge for endpoint usage", 2, "endpoint", unit="instances")


@pytest.mark.parametrize(
    ("demand", "limit", "status", "basis", "headroom"),
    [
        (EIP, None, Status.SHORT, Basis.PUBLISHED, -1),
        (EIP, Limit(20), Status.ENOUGH, Basis.LIVE, 14),
        (EIP, Limit(6), Status.ENOUGH, Basis.LIVE, 0),
        (EIP, Limit(5), Status.SHORT, Basis.LIVE, -1),
        (EIP, Limit(None, "not read: denied"), Status.SHORT, Basis.PUBLISHED, -1),
        (EIP, Limit(None, is_unlimited=True), Status.ENOUGH, Basis.LIVE, None),
        (A100, None, Status.UNKNOWN, Basis.UNKNOWN, None),
        (A100, Limit(8), Status.ENOUGH, Basis.LIVE, 0),
        (A100, Limit(4), Status.SHORT, Basis.LIVE, -4),
        (A100, Limit(0), Status.UNKNOWN, Basis.LIVE, -8),  # falls back, or is blocked: Google doesn't tell
        (H100, Limit(0), Status.SHORT, Basis.LIVE, -8),
        (M6I, None, Status.UNKNOWN, Basis.UNKNOWN, None),
        (M6I, Limit(4), Status.ENOUGH, Basis.LIVE, 2),
    ],
)
def test_a_line(demand: Demand, limit: Limit | None, status: Status, basis: Basis, headroom: float | None) -> None:
    (line,) = check([demand], {demand.key: limit} if limit else {})
    assert (line.status, line.basis, line.headroom) == (status, basis, headroom)
    assert line.where_to_ask and line.needed == demand.needed
    assert (line.limit is None) == (basis is Basis.UNKNOWN or bool(limit and limit.is_unlimited))


def test_a_line_says_where_it_comes_from_and_what_is_not_known() -> None:
    (eip, a100, m6i) = check([EIP, A100, M6I], {EIP.key: Limit(None, "not read: denied"), A100.key: Limit(0, used=0)})
    assert (eip.code, eip.limit, eip.note) == ("L-0263D0A3", 5, "not read: denied") and eip.source
    assert "NVIDIA_A100_GPUS" in a100.note and "0 in use now" in a100.note
    assert (m6i.limit, m6i.source, m6i.note) == (None, "", "not in the published list")


def test_only_what_is_short_is_a_finding() -> None:
    assert [by for _, by in findings(check([EIP, A100, M6I]))] == [("nat",)]
    assert findings(check([EIP], {EIP.key: Limit(10)})) == []


def test_the_published_file_is_whole() -> None:
    rows = published()
    assert len(rows) == 495
    assert all(row.source and row.unit and row.scope for row in rows.values())
    assert named("aws", "ec2", "EC2-VPC Elastic IPs") == rows["aws/ec2/EC2-VPC Elastic IPs"]
