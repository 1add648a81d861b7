"""A file per module of azure-native, each with its KINDS: see `infra.rehearsal.core`, and `network.py` for one."""
