"""The scheduler that runs every job which is also a command."""
