"""Scoring whole tables with a registered model: a job like any other."""
