"""What runs on a stack: jobs, launchers, serving, and the local stack's processes. Never imports pulumi."""
