"""LOAD: the only room that knows SQL; one file per table or question."""
