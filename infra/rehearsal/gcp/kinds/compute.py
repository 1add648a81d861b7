"""Networks and what lies in them."""

from __future__ import annotations

from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.requests import operation, within

NETWORK, SUBNETWORK = "gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"
ROUTER = "gcp:compute/router:Router"
LINK = "https://www.googleapis.com/compute/v1/"
TAKEN = "googleapi: Error 409: The resource '{name}' already exists, alreadyExists"
IN_NETWORK = Ref(NETWORK, by=("selfLink", "name"), holds=True)
UNIQUE = (Unique(("name",), TAKEN),)
FIREWALLS = "https://cloud.google.com/compute/docs/reference/rest/v1/firewalls"

KINDS: tuple[Kind, ...] = (
    Kind(
        NETWORK,
        judge=Calls(
            "discovery compute.v1",
            operation("compute.v1", "networks.insert", {"routingMode": "routingConfig.routingMode"}),
            local={"deleteDefaultRoutesOnCreate": "the provider deletes the routes by calls of their own"},
        ),
        id="projects/{project}/global/networks/{name}",
        outputs={"selfLink": LINK + "projects/{project}/global/networks/{name}", "networkId": "{digits:15}"},
        unique=UNIQUE,
        immutable=frozenset({"name", "autoCreateSubnetworks", "description", "project"}),
    ),
    Kind(
        SUBNETWORK,
        judge=Calls(
            "discovery compute.v1",
            operation("compute.v1", "subnetworks.insert", {"logConfig": "logConfig"}),
        ),
        id="projects/{project}/regions/{region}/subnetworks/{name}",
        outputs={"selfLink": LINK + "projects/{project}/regions/{region}/subnetworks/{name}"},
        references={"network": IN_NETWORK},
        unique=UNIQUE,
        immutable=frozenset({"name", "network", "region", "description", "project"}),
        rules=(within("logConfig.flowSampling", 0, 1, "https://cloud.google.com/vpc/docs/using-flow-logs"),),
    ),
    Kind(
        ROUTER,
        judge=Calls("discovery compute.v1", operation("compute.v1", "routers.insert")),
        id="projects/{project}/regions/{region}/routers/{name}",
        outputs={"selfLink": LINK + "projects/{project}/regions/{region}/routers/{name}"},
        references={"network": IN_NETWORK},
        unique=UNIQUE,
        immutable=frozenset({"name", "network", "region", "project"}),
    ),
    Kind(
        "gcp:compute/routerNat:RouterNat",
        judge=Calls(
            "discovery compute.v1",
            operation(
                "compute.v1",
                "routers.patch",
                {
                    "name": "nats[].name",
                    "natIpAllocateOption": "nats[].natIpAllocateOption",
                    "sourceSubnetworkIpRangesToNat": "nats[].sourceSubnetworkIpRangesToNat",
                    "logConfig": "nats[].logConfig",
                },
            ),
        ),
        id="{project}/{region}/{router}/{name}",
        references={"router": Ref(ROUTER, by=("name", "selfLink"), holds=True)},
        unique=(Unique(("router", "name"), TAKEN),),
        immutable=frozenset({"name", "router", "region", "project"}),
    ),
    Kind(
        "gcp:compute/firewall:Firewall",
        judge=Calls(
            "discovery compute.v1",
            operation(
                "compute.v1",
                "firewalls.insert",
                {
                    "allows": "allowed",
                    "allows.protocol": "IPProtocol",
                    "denies": "denied",
                    "denies.protocol": "IPProtocol",
                    "logConfig.metadata": "metadata",
                },
                fixed={"logConfig.enable": lambda facts: True if facts.get("logConfig") else None},
            ),
        ),
        id="projects/{project}/global/firewalls/{name}",
        outputs={"selfLink": LINK + "projects/{project}/global/firewalls/{name}"},
        references={"network": IN_NETWORK},
        unique=UNIQUE,
        rules=(within("priority", 0, 65535, FIREWALLS),),
        immutable=frozenset({"name", "network", "direction", "project"}),
    ),
    Kind(
        "gcp:compute/globalAddress:GlobalAddress",
        judge=Calls("discovery compute.v1", operation("compute.v1", "globalAddresses.insert")),
        id="projects/{project}/global/addresses/{name}",
        outputs={"selfLink": LINK + "projects/{project}/global/addresses/{name}"},
        references={"network": IN_NETWORK},
        unique=UNIQUE,
        immutable=frozenset(
            {"name", "network", "address", "addressType", "prefixLength", "purpose", "description", "project"}
        ),
    ),
)
