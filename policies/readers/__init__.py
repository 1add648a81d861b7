"""How resources are read: from the engine's messages, a preview's or an export's JSON. All give the same records."""
