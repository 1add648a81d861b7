"""The local stack's scheduler: slots with prices, a spot market, a durable queue, gangs of ranks."""
