"""Numbers with their nouns, for sentences."""


def counted(count: int, noun: str) -> str:
    """Return the number with its noun, such as '1 request' or '2,000 deliveries'."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}s"
