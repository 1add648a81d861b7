"""The model registry of a local stack: MLflow's tracking server, with roles, version records and approvals."""
