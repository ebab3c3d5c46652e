"""Who comes near to a right key without having it: made from the real keys, so that a careless comparison lets one in."""

from collections.abc import Sequence


def changed(letter: str) -> str:
    """Return another letter that a key may have."""
    return "b" if letter == "a" else "a"


def near_keys(keys: Sequence[str]) -> dict[str, str]:
    """Return by its description what is none of `keys`, of which the first has three letters or more."""
    key = keys[0]
    middle = len(key) // 2
    near = {
        "empty": "",
        "first letter": key[0],
        "prefix": key[:-1],
        "suffix": key[1:],
        "longer": key + key[-1],
        "longer in front": key[0] + key,
        "another first letter": changed(key[0]) + key[1:],
        "another letter": key[:middle] + changed(key[middle]) + key[middle + 1 :],
        "another last letter": key[:-1] + changed(key[-1]),
        "another case": key.swapcase(),
        "backwards": key[::-1],
        "all keys": ",".join([*keys, key]),
        "same length": changed(key[0]) * len(key),
    }
    return {description: text for description, text in near.items() if text not in keys}


def strangers(keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return by its description the headers of somebody who is not to be let in by any of `keys`."""
    key = keys[0]
    values = {description: f"Bearer {near}" for description, near in near_keys(keys).items() if near} | {
        "no scheme": key,
        "another scheme": f"Basic {key}",
        "scheme without a space": f"Bearer{key}",
        "scheme alone": "Bearer",  # and an empty key: no header ends with a space (RFC 9110, section 5.5)
        "two words": f"Bearer {key} {key}",
    }
    return {"no header": {}} | {description: {"Authorization": value} for description, value in values.items()}
