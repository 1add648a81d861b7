"""A file per module of pulumi-aws, each with its KINDS: see `infra.rehearsal.core`, and `ec2_network.py` for one."""
