"""The commands, one file per group; the only room that prints."""
