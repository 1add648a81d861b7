"""What AWS takes for the names that people, policies and jobs refer by."""

from __future__ import annotations

from catalog.names import NameRule

ROLE = NameRule("IAM role", 64, "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html")
POLICY = NameRule("IAM policy", 128, "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html")
BUCKET = NameRule(
    "S3 bucket", 63, "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html", min_length=3
)
KEY_ALIAS = NameRule("KMS alias", 250, "https://docs.aws.amazon.com/kms/latest/developerguide/alias-create.html")
LOG_GROUP = NameRule(
    "CloudWatch log group",
    512,
    "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html",
)
NAME_TAG = NameRule("Name tag", 255, "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html")
REPOSITORY = NameRule(
    "ECR repository",
    256,
    "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html",
    min_length=2,
)
SAGEMAKER = NameRule(
    "SageMaker resource",
    63,
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html",
)
TOPIC = NameRule("SNS topic", 256, "https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html")
EVENT_RULE = NameRule(
    "EventBridge rule", 64, "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html"
)
CLUSTER = NameRule("EKS cluster", 100, "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html")
SAGEMAKER_JOB = NameRule(
    "beginning of SageMaker job names",
    40,
    "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html",
)
"""A job's name has 63 characters; the launcher adds the job's own and a digest."""
SAGEMAKER_MODEL = NameRule(
    "SageMaker model or endpoint", 63, "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"
)
VARIANT = NameRule(
    "SageMaker variant", 63, "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariant.html"
)
ALARM = NameRule(
    "CloudWatch alarm",
    255,
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html",
)
NODE_GROUP = NameRule(
    "EKS node group", 63, "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html"
)
QUEUE = NameRule(
    "SQS queue",
    80,
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html",
)
FUNCTION = NameRule("Lambda function", 64, "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html")
BUDGET = NameRule(
    "AWS budget", 100, "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html"
)
MONITOR = NameRule(
    "cost anomaly monitor",
    1024,
    "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_AnomalyMonitor.html",
)
DASHBOARD = NameRule(
    "CloudWatch dashboard",
    255,
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html",
)
