"""The local stack's endpoint: one door before the model servers of all releases."""
