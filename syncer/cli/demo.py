"""`syncer demo`: the whole of it in seconds, without an account."""


def demo() -> None:
    """x."""
