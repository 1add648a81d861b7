"""What the stand-in providers of all clouds share. Who writes a cloud's tables needs `kinds`, `operations` and `fit`.

A stand-in is `provider.StandIn` with a `cloud.Cloud`: the SDK that its resources are declared by, the tables of kinds,
the answers to invokes, and how the cloud words a refusal. The tables of a cloud lie in `infra/rehearsal/<cloud>/kinds`,
a file per module of the SDK (`aws:kms/key:Key` is looked for in `kinds/kms.py`, then in `kinds/kms_*.py`;
`azure-native:network:VirtualNetwork` in `kinds/network.py`), each with `KINDS: tuple[Kind, ...]`. A type that no
table has fails the rehearsal by name.

What happens to a declared resource, in this order:

1. `sdk`: its inputs are held against the SDK's own types: unknown, missing, ill-typed ones are refused, at any depth.
2. the kind's judge: inputs become requests of the cloud's API (`operations`, `fit`), and those are held against the
   API's own model (`validate`); then the kind's rules, for what a model lacks. Both happen at `check`, thus already in
   a preview, where a value that is not known yet passes for anything.
3. at creation: what it refers to must exist in the account, its name must be free; then the account gives it an id and
   every computed output (`outputs`), and `evidence` keeps what the judge saw.
4. later: `diff` replaces where an immutable input changed, a deletion is refused while others hold on to the thing.
"""
