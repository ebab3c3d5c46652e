"""The README's table of settings, generated so that it cannot differ from the class."""

from server.settings import Settings


def settings_table() -> str:
    """Return a Markdown table of every setting: variable, default, meaning with units and allowed values."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "`var/` in the checkout" if field.default_factory else _shown(field.default)
        lines.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    text = (
        ""
        if value is None
        else ",".join(map(str, value))
        if isinstance(value, tuple)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
    return f"`{text}`" if text else "empty"


if __name__ == "__main__":
    print(settings_table())
