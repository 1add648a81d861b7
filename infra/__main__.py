"""The Pulumi program: settings, the platform that they ask for, and its one export."""

import pulumi

from catalog.errors import SkywrightError
from infra.program import build
from infra.settings import from_pulumi, secrets_from_pulumi

try:
    settings = from_pulumi(pulumi.get_stack())
    platform = build(settings, secrets=secrets_from_pulumi(), project_dir=pulumi.get_root_directory())
except SkywrightError as error:
    raise pulumi.RunError(str(error)) from None

pulumi.export("platform", platform.contract)
pulumi.export("page", platform.dashboard_url)
