"""The policy pack, as the engine starts it. `PolicyPack` serves until the engine is done: it never returns."""

from pulumi_policy import PolicyPack

from policies.pack import policies

if __name__ == "__main__":
    PolicyPack("skywright", policies=policies())
