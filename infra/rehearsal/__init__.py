"""A stack's whole life on the real engine, without credentials: stand-ins answer, and are as strict as the clouds."""
