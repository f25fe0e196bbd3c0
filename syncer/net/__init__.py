"""NET: one HTTP exchange under one deadline, and what may be shown of it; knows sockets, and nothing of any API."""
