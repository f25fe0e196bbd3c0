"""`syncer migrate`: bring the database to the newest schema."""

from __future__ import annotations

from syncer.cli.common import Config, Json, json_errors, make_app, print_json, say


def migrate(*, json: Json = False, config: Config = None) -> None:
    """Bring the database to the newest schema.

    Safe to run from several machines at once, and again. The embedded database migrates itself; a database of one's
    own never changes its schema but by this command.
    """
    from syncer.store.migrate import HEAD, upgrade

    with json_errors(wanted=json):
        app = make_app(config)
        with app.server() as url:
            before = upgrade(url)
    if json:
        print_json({"before": before, "after": HEAD, "changed": before != HEAD})
    elif before == HEAD:
        say(f"The database already has the newest schema ({HEAD}).")
    else:
        say(f"The database now has schema {HEAD}" + (f" (before: {before})." if before else " (it had none)."))
