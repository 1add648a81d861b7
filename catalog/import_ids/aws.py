"""AWS. https://www.pulumi.com/registry/packages/aws/ has the forms, on each resource's page, section Import."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.import_ids.forms import Form

_VARIANT = "{serviceNamespace}/{resourceId}/{scalableDimension}"
_RULES = Form(look_up="aws ec2 describe-security-group-rules --filters Name=group-id,Values={securityGroupId}: sgr-...")
_GROUPS = Form(look_up="aws ec2 describe-security-groups --filters Name=vpc-id,Values={vpcId}: sg-...")

AWS: Mapping[str, str | Form] = {
    "aws:appautoscaling/policy:Policy": f"{_VARIANT}/{{name}}",
    "aws:appautoscaling/target:Target": _VARIANT,
    "aws:budgets/budget:Budget": Form(
        "{accountId}:{name}", look_up="the account's 12 digits, a colon, the budget's name: ACCOUNT:{name}"
    ),
    "aws:budgets/budgetAction:BudgetAction": Form(
        look_up="aws budgets describe-budget-actions-for-budget --account-id ACCOUNT --budget-name {budgetName}: "
        "ACCOUNT:ActionId:{budgetName}"
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": "{alarmName}",
    "aws:cloudwatch/dashboard:Dashboard": "{dashboardName}",
    "aws:cloudwatch/eventRule:EventRule": "{name}",
    "aws:cloudwatch/eventTarget:EventTarget": "{rule}/{targetId}",
    "aws:cloudwatch/logGroup:LogGroup": "{name}",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "{policyName}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "{name}",
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": Form(
        look_up="aws ce get-anomaly-monitors: the MonitorArn of {name}"
    ),
    "aws:costexplorer/anomalySubscription:AnomalySubscription": Form(
        look_up="aws ce get-anomaly-subscriptions: the SubscriptionArn of {name}"
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Form(
        look_up="aws ec2 describe-security-groups --filters Name=vpc-id,Values={vpcId} Name=group-name,Values=default: "
        "sg-..."
    ),
    "aws:ec2/eip:Eip": Form(look_up="aws ec2 describe-addresses: eipalloc-..., by its tags"),
    "aws:ec2/flowLog:FlowLog": Form(look_up="aws ec2 describe-flow-logs: fl-..., by its tags"),
    "aws:ec2/internetGateway:InternetGateway": Form(look_up="aws ec2 describe-internet-gateways: igw-..., by its tags"),
    "aws:ec2/launchTemplate:LaunchTemplate": Form(look_up="aws ec2 describe-launch-templates: lt-..., by its tags"),
    "aws:ec2/natGateway:NatGateway": Form(look_up="aws ec2 describe-nat-gateways: nat-..., by its tags"),
    "aws:ec2/route:Route": "{routeTableId}_{destinationCidrBlock}",
    "aws:ec2/routeTable:RouteTable": Form(look_up="aws ec2 describe-route-tables: rtb-..., by its tags"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}/{routeTableId}",
    "aws:ec2/securityGroup:SecurityGroup": _GROUPS,
    "aws:ec2/subnet:Subnet": Form(look_up="aws ec2 describe-subnets: the subnet-... of {cidrBlock}, by its tags"),
    "aws:ec2/vpc:Vpc": Form(look_up="aws ec2 describe-vpcs: the vpc-... of {cidrBlock}, by its tags"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Form(
        look_up="aws ec2 describe-vpc-endpoints --filters Name=service-name,Values={serviceName}: vpce-..."
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "{repository}",
    "aws:ecr/repository:Repository": "{name}",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "{repository}",
    "aws:eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
    "aws:eks/addon:Addon": "{clusterName}:{addonName}",
    "aws:eks/cluster:Cluster": "{name}",
    "aws:eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Form(
        look_up="aws eks list-pod-identity-associations --cluster-name {clusterName} --namespace {namespace} "
        "--service-account {serviceAccount}: {clusterName},a-..."
    ),
    "aws:iam/instanceProfile:InstanceProfile": "{name}",
    "aws:iam/policy:Policy": Form(look_up="aws iam list-policies --scope Local: the Arn of {name}"),
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
    "aws:kms/alias:Alias": "{name}",
    "aws:kms/key:Key": Form(look_up="aws kms list-aliases: the TargetKeyId of the key's alias"),
    "aws:lambda/function:Function": "{name}",
    "aws:lambda/permission:Permission": "{function}/{statementId}",
    "aws:s3/bucket:Bucket": "{bucket}",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "{bucket}",
    "aws:s3/bucketLogging:BucketLogging": "{bucket}",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "{bucket}",
    "aws:s3/bucketPolicy:BucketPolicy": "{bucket}",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "{bucket}",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "{bucket}",
    "aws:s3/bucketVersioning:BucketVersioning": "{bucket}",
    "aws:sagemaker/endpoint:Endpoint": "{name}",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": Form(
        "{name}", look_up="aws sagemaker describe-endpoint: the EndpointConfigName of the stack's endpoint"
    ),
    "aws:sagemaker/model:Model": "{name}",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "{modelPackageGroupName}",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "{modelPackageGroupName}",
    "aws:sns/topic:Topic": Form(look_up="aws sns list-topics: the TopicArn that ends in :{name}"),
    "aws:sns/topicPolicy:TopicPolicy": "{arn}",
    "aws:sns/topicSubscription:TopicSubscription": Form(
        look_up="aws sns list-subscriptions: the SubscriptionArn of {protocol} {endpoint}"
    ),
    "aws:sqs/queue:Queue": Form(look_up="aws sqs get-queue-url --queue-name {name}: QueueUrl"),
    "aws:sqs/queuePolicy:QueuePolicy": "{queueUrl}",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULES,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULES,
}
