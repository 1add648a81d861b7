"""A file per module of pulumi-gcp, each with its KINDS: see `infra.rehearsal.core`."""
