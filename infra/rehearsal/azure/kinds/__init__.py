"""A file per module of pulumi-azure-native, each with its KINDS: see `infra.rehearsal.core` and `azure.arm`."""
