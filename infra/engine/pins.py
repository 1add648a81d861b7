"""What is installed, in exact versions: the only place that names them."""

from __future__ import annotations

ENGINE = "3.259.0"
"""The Pulumi CLI that we install. Newer tags of the Go module are not always served; this one is."""

OLDEST_ENGINE = (3, 200, 0)
"""A CLI that the user brought is taken from this version on: older ones lack calls that the SDK makes."""

GO_MODULE = "github.com/pulumi/pulumi/pkg/v3"
GO_SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
GO_COMMAND = f"{GO_MODULE}/cmd/pulumi"
OLDEST_GO = (1, 25)

GO_BUILD_DISK_GIB = 4.0
"""Modules 1.5 GiB, compiled packages 1.5 GiB, the binary."""

OFFICIAL_DISK_GIB = 0.7

GO_PACKAGES = 1_850
"""Packages that a build from nothing compiles, about: only for the progress that it shows."""

GO_MOD = f"""\
module engine

go 1.25

tool {GO_COMMAND}

require (
	{GO_MODULE} v{ENGINE}
	{GO_SDK_MODULE} v{ENGINE}
)
"""

OFFICIAL_URL = "https://get.pulumi.com/install.sh"
"""Where `pulumi.automation.PulumiCommand.install` downloads from; asked first, so that no answer costs seconds."""
