"""report.proof: pages whose numbers lie apart from all others' are counted, and only the others are taken apart.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# Numbers are sorted and counted several times faster than texts. Text and number are the same id where PostgreSQL
# writes the number so; nothing else is one. A page without any other id holds its ids as numbers (store/ledger.py).
NUMBER = """
CREATE FUNCTION syncer.id_number(file_id text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN file_id ~ '^(0|-?[1-9][0-9]{0,18})$' THEN
  CASE WHEN file_id::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN file_id::bigint END END
"""

# A page's numbers rise, each once: the first is the least and the last the largest, and there are as many as they are.
_SPAN = """
CREATE VIEW syncer.page_span AS
SELECT g.source, g.pull_id, g.generation, g.part, g.page,
       coalesce(g.first_number + g.file_offsets[1], g.file_numbers[1]) AS least,
       coalesce(g.first_number + g.file_offsets[cardinality(g.file_offsets)],
                g.file_numbers[cardinality(g.file_numbers)]) AS largest,
       coalesce(cardinality(g.file_offsets), cardinality(g.file_numbers)) AS files
FROM syncer.page g WHERE g.file_ids IS NULL
UNION ALL
SELECT g.source, g.pull_id, g.generation, g.part, g.page, min(syncer.id_number(i.id)), max(syncer.id_number(i.id)), NULL
FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
WHERE g.file_ids IS NOT NULL
GROUP BY g.source, g.pull_id, g.generation, g.part, g.page
"""

_NUMBERS = """
CREATE VIEW syncer.page_number AS
SELECT g.source, g.pull_id, g.generation, g.part, g.page, g.first_number + unnest(g.file_offsets) AS number
FROM syncer.page g WHERE g.file_offsets IS NOT NULL
UNION ALL
SELECT g.source, g.pull_id, g.generation, g.part, g.page, unnest(g.file_numbers)
FROM syncer.page g WHERE g.file_numbers IS NOT NULL
UNION ALL
SELECT g.source, g.pull_id, g.generation, g.part, g.page, syncer.id_number(i.id)
FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
WHERE g.file_ids IS NOT NULL AND syncer.id_number(i.id) IS NOT NULL
"""

_TEXTS = """
CREATE VIEW syncer.page_text AS
SELECT g.source, g.pull_id, g.generation, g.part, g.page, i.id
FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
WHERE g.file_ids IS NOT NULL AND syncer.id_number(i.id) IS NULL
"""

# What is asked of the pages of one listing, or of one reading of its tail.
_LISTED = "{0}.source = p.source AND {0}.pull_id = p.pull_id AND {0}.generation = n.generation AND {0}.part = 'listing'"
_EARLIER = _LISTED.replace("{0}.generation = n.generation", "{0}.generation < n.generation")
_READ = _LISTED.replace("'listing'", "'tail'") + " AND {0}.page >= reading.first_page"

# Before and after a page that lies apart come only lesser and only larger numbers: nobody else has any of its files.
_DIFFERENT = f"""
(WITH spans AS MATERIALIZED (
   SELECT s.page, CASE WHEN (max(s.largest) OVER lesser < s.least) IS NOT FALSE
                        AND (lead(s.least) OVER rising > s.largest) IS NOT FALSE THEN s.files END AS apart
   FROM syncer.page_span s WHERE {_LISTED.format("s")}
   WINDOW rising AS (ORDER BY s.least, s.largest, s.page),
          lesser AS (rising ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
 SELECT coalesce(sum(s.apart), 0)::bigint
        + (SELECT count(DISTINCT i.number) FROM syncer.page_number i
           WHERE {_LISTED.format("i")} AND i.page IN (SELECT o.page FROM spans o WHERE o.apart IS NULL))
        + CASE WHEN chain.texts > 0
               THEN (SELECT count(DISTINCT i.id) FROM syncer.page_text i WHERE {_LISTED.format("i")}) ELSE 0 END
 FROM spans s)"""  # noqa: S608 - put together from the words of this file

# Files on the tail's pages that the listing had shown: only pages about such numbers need be looked into.
_MET = f"""
SELECT t.page, t.number::text AS id FROM syncer.page_number t
WHERE {_READ.format("t")} AND t.number IN (
  SELECT i.number FROM syncer.page_number i
  WHERE {_LISTED.format("i")} AND i.page IN (
    SELECT s.page FROM syncer.page_span s
    WHERE {_LISTED.format("s")} AND EXISTS (
      SELECT FROM syncer.page_span o
      WHERE {_READ.format("o")} AND o.least <= s.largest AND o.largest >= s.least)))
UNION ALL
SELECT t.page, t.id FROM syncer.page_text t
WHERE {_READ.format("t")} AND t.id IN (SELECT i.id FROM syncer.page_text i WHERE {_LISTED.format("i")})
"""  # noqa: S608 - as above

_SHARED = " + ".join(
    f"""(SELECT count(*) FROM (
           SELECT i.{column} FROM syncer.{view} i WHERE {_LISTED.format("i")}
           INTERSECT
           SELECT i.{column} FROM syncer.{view} i WHERE {_EARLIER.format("i")}) d)"""  # noqa: S608 - as above
    for column, view in (("number", "page_number"), ("id", "page_text"))
)

# Each of these stands in the view as migration 0005 made it. The last context is looked up, for which pages need not be
# sorted; what the tail met is asked for where a tail was read.
_CHANGES = (
    (
        """(SELECT count(*) FROM (
          SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
          WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'listing'
          GROUP BY i.id) d)""",
        _DIFFERENT,
    ),
    (
        """
         SELECT count(DISTINCT i.id) FROM syncer.page t CROSS JOIN LATERAL unnest(t.file_ids) AS i (id)
         WHERE t.source = p.source AND t.pull_id = p.pull_id AND t.generation = n.generation AND t.part = 'tail'
           AND t.page >= reading.first_page
           AND EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id
                       AND g.generation = n.generation AND g.part = 'listing' AND i.id = ANY (g.file_ids))
       """,
        f"SELECT count(DISTINCT m.id) FROM ({_MET}) m",  # noqa: S608 - as above
    ),
    (
        """(
         SELECT count(*) FROM (
           SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
           WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation = n.generation AND g.part = 'listing'
           INTERSECT
           SELECT i.id FROM syncer.page g CROSS JOIN LATERAL unnest(g.file_ids) AS i (id)
           WHERE g.source = p.source AND g.pull_id = p.pull_id AND g.generation < n.generation AND g.part = 'listing'
         ) d)""",
        _SHARED,
    ),
    (
        "(array_agg(c.context_out ORDER BY c.page DESC))[1] AS last_context",
        f"""(SELECT l.context_out FROM syncer.page l WHERE {_LISTED.format("l")} ORDER BY l.page DESC LIMIT 1)
           AS last_context, count(*) FILTER (WHERE c.texts) AS texts""",  # noqa: S608 - as above
    ),
    ("g.oldest, g.committed_at,", "g.oldest, g.committed_at, g.file_ids IS NOT NULL AS texts,"),
    (
        """EXISTS (
    SELECT FROM syncer.page t
    WHERE t.source = p.source AND t.pull_id = p.pull_id AND t.generation = n.generation AND t.part = 'tail'
      AND t.page >= reading.first_page AND t.newest > chain.oldest
      AND EXISTS (SELECT FROM syncer.page g WHERE g.source = p.source AND g.pull_id = p.pull_id
                  AND g.generation = n.generation AND g.part = 'listing' AND g.file_ids && t.file_ids))""",
        f"""EXISTS (
    SELECT FROM syncer.page r JOIN ({_MET}) m ON m.page = r.page
    WHERE {_READ.format("r")} AND r.newest > chain.oldest)""",
    ),
)

COMMENTS = {
    "FUNCTION syncer.id_number(text)": "The number whose text an id is, if there is one.",
    "VIEW syncer.page_span": "The least and the largest number on a page of the ledger; no row for one without files.",
    "VIEW syncer.page_number": "Each number on a page of the ledger.",
    "VIEW syncer.page_text": "Each id on a page of the ledger that is no number.",
    "COLUMN syncer.page_span.least": "The least number; null when no id is one.",
    "COLUMN syncer.page_span.largest": "The largest.",
    "COLUMN syncer.page_span.files": "Its files; null where they are texts, which may be numbers or not.",
    "COLUMN syncer.page_number.number": "The number, a row of each on the page.",
    "COLUMN syncer.page_text.id": "The id.",
} | {
    f"COLUMN syncer.{view}.{column}": comment
    for view in ("page_span", "page_number", "page_text")
    for column, comment in (
        ("source", "The source."),
        ("pull_id", "The pull."),
        ("generation", "Which listing of the pull."),
        ("part", "listing or tail."),
        ("page", "The page."),
    )
}
_NUMBERS_COMMENT = "What was seen, where ids are numbers"
_OFFSETS_COMMENT = "What was seen there, as what each number is more than the least"


def upgrade() -> None:
    for column in ("file_numbers", "file_offsets"):
        rising = f"ARRAY(SELECT DISTINCT n FROM unnest({column}) n ORDER BY n)"  # noqa: S608 - as above
        op.execute(f"UPDATE syncer.page SET {column} = {rising} WHERE {column} <> {rising}")  # noqa: S608 - as above
    op.alter_column("page", "file_numbers", comment=f"{_NUMBERS_COMMENT}; rising, each once.", schema="syncer")
    op.alter_column("page", "file_offsets", comment=f"{_OFFSETS_COMMENT}; rising, each once.", schema="syncer")
    for statement in (NUMBER, _SPAN, _NUMBERS, _TEXTS):
        op.execute(statement)
    for name, comment in COMMENTS.items():
        op.execute("COMMENT ON {} IS '{}'".format(name, comment.replace("'", "''")))
    text = _proof()
    for old, new in _CHANGES:
        assert old in text
        text = text.replace(old, new)
    op.execute(text)


def downgrade() -> None:
    seen = (
        "COALESCE({0}.file_ids, ({0}.file_numbers)::text[], "
        "ARRAY(SELECT ({0}.first_number + away)::text FROM unnest({0}.file_offsets) away(away)))"
    )
    text = _proof()
    for page in "gt":
        text = text.replace(f"{page}.file_ids", seen.format(page))
    op.execute(text)
    op.execute("DROP VIEW syncer.page_span, syncer.page_number, syncer.page_text")
    op.execute("DROP FUNCTION syncer.id_number(text)")
    op.alter_column("page", "file_numbers", comment=f"{_NUMBERS_COMMENT}.", schema="syncer")
    op.alter_column("page", "file_offsets", comment=f"{_OFFSETS_COMMENT}.", schema="syncer")


def _proof() -> str:
    """Return the view as migration 0005 made it, before ids were numbers."""
    script = op.get_context().script
    assert script is not None
    text: str = script.get_revision("0005").module.PROOF
    return text.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)
