"""The policy pack, as the engine starts it."""

from policies.analyzer import serve

if __name__ == "__main__":
    serve()
