"""Google Cloud. https://www.pulumi.com/registry/packages/gcp/ has the forms, on each resource's page, section Import.

Where a page lists several, the longest is taken: it needs nothing of the provider's configuration. A member of a policy
is imported by what the policy is on, the role and the member, with spaces between, then its condition's title.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.import_ids.forms import Form

_MEMBER = " {role} {member}[ {condition.title}]"
_GLOBAL, _REGION = "projects/{project}/global", "projects/{project}/regions/{region}"
_LOCATION = "projects/{project}/locations/{location}"

GCP: Mapping[str, str | Form] = {
    "gcp:artifactregistry/repository:Repository": f"{_LOCATION}/repositories/{{repositoryId}}",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": f"{_LOCATION}/repositories/{{repository}}{_MEMBER}",
    "gcp:bigquery/dataset:Dataset": "projects/{project}/datasets/{datasetId}",
    "gcp:bigquery/datasetIamMember:DatasetIamMember": f"projects/{{project}}/datasets/{{datasetId}}{_MEMBER}",
    "gcp:billing/budget:Budget": Form(
        look_up="gcloud billing budgets list --billing-account={billingAccount} "
        "--filter='displayName=\"{displayName}\"' --format='value(name)'"
    ),
    "gcp:cloudfunctionsv2/function:Function": f"{_LOCATION}/functions/{{name}}",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": f"{_LOCATION}/services/{{name}}{_MEMBER}",
    "gcp:compute/firewall:Firewall": f"{_GLOBAL}/firewalls/{{name}}",
    "gcp:compute/globalAddress:GlobalAddress": f"{_GLOBAL}/addresses/{{name}}",
    "gcp:compute/network:Network": f"{_GLOBAL}/networks/{{name}}",
    "gcp:compute/router:Router": f"{_REGION}/routers/{{name}}",
    "gcp:compute/routerNat:RouterNat": f"{_REGION}/routers/{{router}}/{{name}}",
    "gcp:compute/subnetwork:Subnetwork": f"{_REGION}/subnetworks/{{name}}",
    "gcp:container/cluster:Cluster": f"{_LOCATION}/clusters/{{name}}",
    "gcp:container/nodePool:NodePool": "{project}/{location}/{cluster}/{name}",
    "gcp:kms/cryptoKey:CryptoKey": "{keyRing}/cryptoKeys/{name}",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": f"{{cryptoKeyId}}{_MEMBER}",
    "gcp:kms/keyRing:KeyRing": Form(
        f"{_LOCATION}/keyRings/{{name}}",
        look_up="gcloud kms keyrings list --project={project} --location={location} --format='value(name)'; "
        "of several, the one whose keys are enabled",
    ),
    "gcp:logging/metric:Metric": "{project} {name}",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": f"{_LOCATION}/buckets/{{bucketId}}",
    "gcp:logging/projectSink:ProjectSink": "projects/{project}/sinks/{name}",
    "gcp:monitoring/alertPolicy:AlertPolicy": Form(
        look_up="gcloud monitoring policies list --project={project} --filter='displayName=\"{displayName}\"' "
        "--format='value(name)'"
    ),
    "gcp:monitoring/dashboard:Dashboard": Form(
        look_up="gcloud monitoring dashboards list --project={project} --format='value(name,displayName)'"
    ),
    "gcp:monitoring/metricDescriptor:MetricDescriptor": "projects/{project}/metricDescriptors/{type}",
    "gcp:monitoring/notificationChannel:NotificationChannel": Form(
        look_up="gcloud beta monitoring channels list --project={project} --filter='displayName=\"{displayName}\"' "
        "--format='value(name)'"
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": "projects/{project}/roles/{roleId}",
    "gcp:projects/iAMMember:IAMMember": f"{{project}}{_MEMBER}",
    "gcp:projects/service:Service": "{project}/{service}",
    "gcp:projects/serviceIdentity:ServiceIdentity": Form(
        by_up="asked for again, Google names the agent that is there already"
    ),
    "gcp:pubsub/topic:Topic": "projects/{project}/topics/{name}",
    "gcp:pubsub/topicIAMMember:TopicIAMMember": f"projects/{{project}}/topics/{{topic}}{_MEMBER}",
    "gcp:serviceaccount/account:Account": (
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": f"{{serviceAccountId}}{_MEMBER}",
    "gcp:servicenetworking/connection:Connection": "{network}:{service}",
    "gcp:storage/bucket:Bucket": "{name}",
    "gcp:storage/bucketIAMMember:BucketIAMMember": f"b/{{bucket}}{_MEMBER}",
    "gcp:storage/bucketObject:BucketObject": Form(by_up="the same content is written under the same name"),
    "gcp:vertex/aiEndpoint:AiEndpoint": f"{_LOCATION}/endpoints/{{name}}",
    "gcp:vertex/aiTensorboard:AiTensorboard": Form(
        look_up="gcloud ai tensorboards list --project={project} --region={region} "
        "--filter='displayName=\"{displayName}\"' --format='value(name)'"
    ),
}
