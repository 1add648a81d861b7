"""Changes that somebody makes by hand in an account, chosen so that a refresh must see them and an up can mend them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catalog.errors import SkywrightError

if TYPE_CHECKING:
    from infra.rehearsal.core.account import Account, Object

TAGS = ("tags", "labels", "userLabels")
BY_HAND = "changed-by-hand"


def change_one(account: Account) -> str:
    """Give the first tag of the oldest thing that has tags another value; what, in words."""
    for held in account.objects():
        for key in TAGS:
            tags = held.inputs.get(key)
            if isinstance(tags, dict) and tags:
                tag = sorted(tags)[0]
                account.change(held.token, held.id, {key: {**tags, tag: BY_HAND}})
                return f"{key}.{tag} of {held.name} changed by hand"
    raise SkywrightError(
        "nothing in the account has tags that could be changed by hand", "Declare one thing with tags."
    )


def remove_one(account: Account) -> str:
    """Remove the newest thing that nothing else holds or mentions; which, in words."""
    objects = account.objects()
    texts = {(held.token, held.id): json.dumps(held.inputs) for held in objects}
    for held in reversed(objects):
        if not account.holders(held.token, held.id) and not _is_mentioned(held, texts):
            account.remove(held.token, held.id)
            return f"{held.name} ({held.token})"
    raise SkywrightError(
        "everything in the account is in use: nothing can be removed by hand", "Declare one more thing."
    )


def _is_mentioned(held: Object, texts: dict[tuple[str, str], str]) -> bool:
    own = {held.id, *(value for value in held.outputs.values() if isinstance(value, str) and value.startswith("arn:"))}
    return any(
        f'"{name}"' in text or (len(name) > 12 and name in text)
        for key, text in texts.items()
        if key != (held.token, held.id)
        for name in own
    )
