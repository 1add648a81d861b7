"""The monitor: scrapes the stack's processes, evaluates its alert rules, keeps their history and calls somebody."""
