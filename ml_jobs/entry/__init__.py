"""The image's one entry point: what every platform calls, with its own files, variables and signals."""
