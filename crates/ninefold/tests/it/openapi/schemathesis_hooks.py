"""What the document says in words only, said to Schemathesis."""

import schemathesis

DECIMALS = ("price", "balance")
# A float with six places and nine digits before them keeps both.
EXACT = 10**9


def exact(value):
    """A number that keeps all of its digits; with it what is too large stays too large."""
    if not isinstance(value, float) or value != value or abs(value) == float("inf"):
        return value
    return round(value, 6) if abs(value) < EXACT else int(value)


def without_nul(value):
    """JSON whose texts a database can hold."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(name): without_nul(member) for name, member in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    for record in body if isinstance(body, list) else [body]:
        if isinstance(record, dict):
            record.update({name: exact(record[name]) for name in DECIMALS if name in record})
            record.update({name: without_nul(record[name]) for name in ("extra",) if name in record})
    return body
