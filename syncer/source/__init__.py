"""EXTRACT: the only room that knows the wire of the API."""
