"""The checks of deploy/; `deploy/check` runs them."""
