"""Renewing the price catalogue from what the clouds publish."""
