"""What Google Cloud would compute, in the right form: ids, self links, e-mail addresses."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

PROJECT, NUMBER = "acme-ml", "123456789012"
REGION = "europe-west4"

Inputs = dict[str, Any]


def resource(kind: str, name: str, inputs: Inputs) -> tuple[str, Inputs]:
    """The id, and the inputs with what is computed beside them."""
    own = str(next((inputs[key] for key in _NAMED if inputs.get(key)), f"{name}-{_hex(name, 7)}"))
    where = f"projects/{inputs.get('project') or PROJECT}"
    made = {"project": PROJECT, "name": own, **_computed(kind.rsplit(":", 1)[-1], own, where, inputs)}
    identifier = made.pop("id", own)
    return identifier, {**inputs, **{key: value for key, value in made.items() if inputs.get(key) is None}}


def call(token: str, arguments: Inputs) -> Inputs:
    name = token.rsplit(":", 1)[-1]
    if name == "getProject":
        return {
            "projectId": PROJECT,
            "number": NUMBER,
            "billingAccount": "012345-6789AB-CDEF01",
            "id": f"projects/{PROJECT}",
        }
    if name == "getProjectServiceAccount":
        return _account(f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com", "emailAddress")
    if name == "getDefaultServiceAccount":
        return _account(f"bq-{NUMBER}@bigquery-encryption.iam.gserviceaccount.com", "email")
    if name in ("getNetwork", "getSubnetwork"):
        part = "global/networks" if name == "getNetwork" else f"regions/{REGION}/subnetworks"
        link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{part}/{arguments['name']}"
        return {**arguments, "selfLink": link, "id": link, "ipCidrRange": "10.7.0.0/20"}
    if name == "getCluster":
        return {**arguments, "id": _cluster(arguments["name"]), "endpoint": "10.0.0.2", "masterAuths": [_master()]}
    return {}


def _computed(kind: str, own: str, where: str, inputs: Inputs) -> Inputs:
    link = "https://www.googleapis.com/compute/v1"
    region = inputs.get("region") or inputs.get("location") or REGION
    match kind:
        case "Network":
            return {"id": f"{where}/global/networks/{own}", "selfLink": f"{link}/{where}/global/networks/{own}"}
        case "Subnetwork":
            path = f"{where}/regions/{region}/subnetworks/{own}"
            return {"id": path, "selfLink": f"{link}/{path}"}
        case "Account":
            email = f"{inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            return {
                "id": f"{where}/serviceAccounts/{email}",
                "name": f"{where}/serviceAccounts/{email}",
                "email": email,
                "member": f"serviceAccount:{email}",
            }
        case "ServiceIdentity":
            return _account(
                f"service-{NUMBER}@gcp-sa-{inputs['service'].split('.')[0]}.iam.gserviceaccount.com", "email"
            )
        case "IAMCustomRole":
            return {"id": f"{where}/roles/{inputs['roleId']}", "name": f"{where}/roles/{inputs['roleId']}"}
        case "KeyRing":
            return {"id": f"{where}/locations/{region}/keyRings/{own}"}
        case "CryptoKey":
            return {"id": f"{inputs['keyRing']}/cryptoKeys/{own}"}
        case "Repository":
            return {"id": f"{where}/locations/{region}/repositories/{own}"}
        case "AiEndpoint":
            return {"id": f"{where}/locations/{region}/endpoints/{own}"}
        case "Cluster":
            return {"id": _cluster(own), "endpoint": "10.0.0.2", "masterAuth": {**_master(), **inputs["masterAuth"]}}
        case "ProjectBucketConfig":
            return {"id": f"{where}/locations/{region}/buckets/{inputs['bucketId']}"}
        case "Topic":
            return {"id": f"{where}/topics/{own}"}
        case "Dashboard":
            return {"id": f"projects/{NUMBER}/dashboards/{_hex(own, 12)}"}
        case "NotificationChannel":
            return {"id": f"{where}/notificationChannels/{_hex(own, 12)}"}
    return {}


_NAMED = ("name", "repositoryId", "datasetId", "bucketId")


def _cluster(name: str) -> str:
    return f"projects/{PROJECT}/locations/{REGION}/clusters/{name}"


def _master() -> Inputs:
    return {"clusterCaCertificate": base64.b64encode(b"ca").decode()}


def _account(email: str, key: str) -> Inputs:
    return {key: email, "member": f"serviceAccount:{email}", "id": email}


def _hex(seed: str, digits: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:digits]
