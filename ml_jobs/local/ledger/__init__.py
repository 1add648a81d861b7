"""The ledger: what the stack has cost this month, and the ladder of holds that keeps it inside its budget."""
