"""AWS's stand-in: judged by botocore's service models, the same that AWS's own SDKs and command line are made from."""
