"""Plain data and arithmetic that every room may read; imports nothing of ours."""
