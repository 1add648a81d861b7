"""Types that no cloud bills for by themselves: what they lead to is priced where it is declared."""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase

FREE = (
    "pulumi:*", "pulumi-python:dynamic/local:*", "pulumi-python:dynamic/azure:EndpointTraffic", "skywright:local:*",
    "aws:acm/*", "aws:appautoscaling/*", "aws:autoscaling/policy:*", "aws:budgets/budget:Budget",
    "aws:cloudwatch/event*", "aws:cloudwatch/logResourcePolicy:*", "aws:cloudwatch/logMetricFilter:*",
    "aws:cloudwatch/logGroup*Policy:*", "aws:costexplorer/*",
    "aws:ec2/defaultSecurityGroup:*", "aws:ec2/defaultRouteTable:*", "aws:ec2/defaultNetworkAcl:*",
    "aws:ec2/eipAssociation:*", "aws:ec2/egressOnlyInternetGateway:*", "aws:ec2/flowLog:*",
    "aws:ec2/internetGateway:*", "aws:ec2/keyPair:*", "aws:ec2/launchTemplate:*", "aws:ec2/networkAcl*",
    "aws:ec2/networkInterface*", "aws:ec2/placementGroup:*", "aws:ec2/route:*", "aws:ec2/routeTable*",
    "aws:ec2/securityGroup*", "aws:ec2/subnet:*", "aws:ec2/vpc:*", "aws:ec2/vpcDhcpOptions*",
    "aws:ec2/vpcEndpointRouteTableAssociation:*", "aws:ec2/vpcEndpointPolicy:*",
    "aws:ecr/lifecyclePolicy:*", "aws:ecr/repositoryPolicy:*", "aws:ecr/registry*",
    "aws:eks/accessEntry:*", "aws:eks/accessPolicyAssociation:*", "aws:eks/addon:*", "aws:eks/identityProviderConfig:*",
    "aws:eks/podIdentityAssociation:*", "aws:elasticache/parameterGroup:*", "aws:elasticache/subnetGroup:*",
    "aws:iam/*", "aws:kms/alias:*", "aws:kms/grant:*", "aws:kms/keyPolicy:*", "aws:lambda/permission:*",
    "aws:lambda/eventSourceMapping:*", "aws:lambda/layerVersion:*", "aws:lb/listener*", "aws:lb/targetGroup*",
    "aws:rds/parameterGroup:*", "aws:rds/subnetGroup:*", "aws:s3/bucket[A-Z]*", "aws:s3/accountPublicAccessBlock:*",
    "aws:sagemaker/model:*", "aws:sagemaker/modelPackageGroup*", "aws:sagemaker/domain:*",
    "aws:sagemaker/userProfile:*", "aws:secretsmanager/secret[A-Z]*", "aws:sns/topicPolicy:*",
    "aws:sqs/queuePolicy:*", "aws:sqs/redrive*", "aws:vpc/*",
    "gcp:artifactregistry/repositoryIam*", "gcp:bigquery/datasetIam*", "gcp:bigquery/datasetAccess:*",
    "gcp:billing/budget:*", "gcp:cloudfunctionsv2/functionIam*", "gcp:cloudrunv2/*Iam*", "gcp:compute/firewall*",
    "gcp:compute/instanceTemplate:*", "gcp:compute/network:*", "gcp:compute/networkPeering*", "gcp:compute/route:*",
    "gcp:compute/router:*", "gcp:compute/routerInterface:*", "gcp:compute/subnetwork*", "gcp:iam/*",
    "gcp:compute/backendService:*", "gcp:compute/healthCheck:*", "gcp:compute/urlMap:*", "gcp:compute/target*",
    "gcp:kms/cryptoKeyIAM*", "gcp:kms/keyRing*", "gcp:logging/metric:*", "gcp:logging/projectSink:*",
    "gcp:monitoring/dashboard:*", "gcp:monitoring/metricDescriptor:*", "gcp:monitoring/notificationChannel:*",
    "gcp:organizations/*", "gcp:orgpolicy/*", "gcp:projects/*", "gcp:pubsub/subscriptionIAM*", "gcp:pubsub/topicIAM*",
    "gcp:secretmanager/secret[A-Z]*", "gcp:serviceaccount/*", "gcp:servicenetworking/*", "gcp:storage/bucket[A-Z]*",
    "gcp:storage/defaultObject*", "gcp:vertex/aiEndpoint:*", "gcp:vertex/aiMetadataStore:*",
    "azure-native:app:ManagedEnvironment", "azure-native:app:ManagedEnvironmentsStorage",
    "azure-native:applicationinsights:Workbook",
    "azure-native:authorization:*", "azure-native:consumption:Budget",
    "azure-native:containerservice:MaintenanceConfiguration", "azure-native:containerregistry:CacheRule",
    "azure-native:insights:*DiagnosticSetting", "azure-native:machinelearningservices:*Container",
    "azure-native:machinelearningservices:*Version", "azure-native:machinelearningservices:Datastore",
    "azure-native:machinelearningservices:OnlineEndpoint", "azure-native:machinelearningservices:Workspace",
    "azure-native:machinelearningservices:*OutboundRule", "azure-native:managedidentity:*",
    "azure-native:monitor:AutoscaleSetting", "azure-native:monitor:DiagnosticSetting",
    "azure-native:network:NetworkInterface", "azure-native:network:NetworkSecurityGroup",
    "azure-native:network:PrivateDnsZoneGroup", "azure-native:network:Route", "azure-native:network:RouteTable",
    "azure-native:network:SecurityRule", "azure-native:network:Subnet", "azure-native:network:VirtualNetwork",
    "azure-native:privatedns:*Record*", "azure-native:privatedns:VirtualNetworkLink",
    "azure-native:resources:ResourceGroup", "azure-native:storage:BlobContainer", "azure-native:storage:Blob*",
    "azure-native:storage:ManagementPolicy", "azure-native:storage:FileShare",
    "kubernetes:admissionregistration.k8s.io/*", "kubernetes:apiextensions.k8s.io/*", "kubernetes:apps/*",
    "kubernetes:autoscaling/*", "kubernetes:batch/*", "kubernetes:core/v1:ConfigMap*", "kubernetes:core/v1:LimitRange*",
    "kubernetes:core/v1:Namespace*", "kubernetes:core/v1:Pod*", "kubernetes:core/v1:ResourceQuota*",
    "kubernetes:core/v1:Secret*", "kubernetes:core/v1:ServiceAccount*", "kubernetes:gateway.envoyproxy.io/*",
    "kubernetes:gateway.networking.k8s.io/*", "kubernetes:karpenter.k8s.aws/*", "kubernetes:keda.sh/*",
    "kubernetes:kueue.x-k8s.io/*", "kubernetes:monitoring.coreos.com/*", "kubernetes:networking.k8s.io/*",
    "kubernetes:policy/*", "kubernetes:rbac.authorization.k8s.io/*", "kubernetes:scheduling.k8s.io/*",
    "kubernetes:storage.k8s.io/*",
)  # fmt: skip
"""Patterns of types. Pods, jobs and charts run on nodes, which are priced; a flow log costs where its log group or
bucket takes it in; Key Vault's and AWS's rules, policies and identities cost nothing."""


@functools.lru_cache(maxsize=4096)
def is_free(type_token: str) -> bool:
    return any(fnmatchcase(type_token, pattern) for pattern in FREE)
