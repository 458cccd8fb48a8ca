"""The SQL statements of the SQLite store."""

from ..lists import Dialect

HELD = "coalesce(lease_from <= :uptime AND lease_until > :uptime, false)"
LOAD = """
    SELECT type, data, actor, key, seq, at FROM events
    WHERE thread_id = :id AND seq > :first ORDER BY seq LIMIT :part
"""
VERSIONS = "SELECT id, version FROM threads WHERE id IN (SELECT value FROM json_each(:names))"
VERSION = "SELECT version FROM threads WHERE id = :id"
APPEND = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
INSERT = """
    INSERT INTO threads (
        id, version, status, agent, owner, title, parent, wait, problem, cause, created, updated,
        wake_at)
    SELECT :id, :version, :status, :agent, :owner, :title, :parent, :wait, :problem, :cause, :now,
        :now, :wake_at
    WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE thread_id = :id)
"""
COUNT = """
    UPDATE threads SET version = :version, crashes = 0, problem = :problem WHERE id = :id
"""
"""What an append changes that leaves the thread as it was: no index names these columns."""
WAKE = """
    UPDATE threads SET version = :version, crashes = 0, attempts = 0, problem = :problem,
        wake_at = min(coalesce(wake_at, :wake_at), :wake_at)
    WHERE id = :id
"""
"""Something new never makes a thread due later."""
CHANGE = """
    UPDATE threads SET version = :version, crashes = 0, status = :status, title = :title,
        agent = :agent, owner = :owner, wait = :wait, problem = :problem, cause = :cause,
        released_by = NULL, updated = :now,
        wake_at = min(coalesce(wake_at, :wake_at), coalesce(:wake_at, wake_at)),
        attempts = CASE WHEN :wake_at IS NULL THEN attempts ELSE 0 END
    WHERE id = :id
"""
FORGET = f"DELETE FROM threads WHERE id = :id AND version = :version AND NOT {HELD}"
FORGET_REST = (
    "DELETE FROM events WHERE thread_id = :id",
    "DELETE FROM participants WHERE thread_id = :id",
    "INSERT INTO forgotten (thread_id, deliveries) VALUES (:id, :deliveries)",
)
DELIVERIES = "SELECT deliveries FROM forgotten WHERE thread_id = :id"
IDS = "SELECT id FROM threads WHERE id > :after ORDER BY id LIMIT :limit"
COUNTS = f"""
    SELECT agent, status, status = 'running' AND {HELD}, count(*), min(updated)
    FROM threads GROUP BY 1, 2, 3
"""
USAGE = """
    SELECT date(at, 'unixepoch'), agent, owner, coalesce(json_extract(data, '$.model'), ''),
        json_extract(data, '$.price'), count(*),
        total(json_extract(data, '$.tokens.input')), total(json_extract(data, '$.tokens.cached')),
        total(json_extract(data, '$.tokens.cache_write')),
        total(json_extract(data, '$.tokens.output'))
    FROM threads JOIN events ON thread_id = threads.id
    WHERE (:since IS NULL OR at >= :since AND (updated >= :since OR status = 'running'))
        AND type IN ('step', 'invalid_step', 'discarded', 'compacted', 'consulted')
        AND json_type(data, '$.tokens') = 'object' AND seq > coalesce((
            SELECT max(seq) FROM events forked
            WHERE forked.thread_id = threads.id AND forked.type = 'forked'), 0)
    GROUP BY 1, 2, 3, 4, 5
"""
"""A fork does not count the calls that its origin made."""
LISTS = Dialect(
    value=":{}",
    schema="main.",
    running=HELD,
    says="""EXISTS (SELECT 1 FROM events first WHERE first.thread_id = threads.id AND first.seq = 1
        AND instr(lower(json_extract(first.data, '$.text')), lower({text})) > 0)""",
    asks="""EXISTS (SELECT 1 FROM events asked, json_each(asked.data, '$.audience') named
        WHERE asked.thread_id = threads.id AND asked.seq = wait
        AND named.value IN ({asked}, 'anyone'))""",
)
TOUCH = "UPDATE participants SET updated = :now WHERE thread_id = :id"
FORGET_READERS = """
    DELETE FROM participants WHERE thread_id = :id AND name NOT IN (SELECT value FROM
        json_each(:readers))
"""
ADD_READERS = """
    INSERT OR IGNORE INTO participants (name, thread_id, updated)
    SELECT value, :id, updated FROM json_each(:readers), threads WHERE threads.id = :id
"""
SWEEP_SESSIONS = "DELETE FROM sessions WHERE expires_at <= :now"
OPEN_SESSION = "INSERT INTO sessions (id, proof, expires_at) VALUES (:id, :proof, :until)"
FIND_SESSION = "SELECT id, proof, expires_at FROM sessions WHERE id = :id AND expires_at > :now"
CLOSE_SESSION = "DELETE FROM sessions WHERE id = :id"
_CLAIM = f"""
    UPDATE threads SET
        crashes = CASE WHEN holder IS NULL THEN 0 ELSE crashes + (holder <> :holder) END,
        holder = :holder, lease_from = :uptime, lease_until = :uptime + :ttl_s, wake_at = 0
    WHERE id = coalesce(
        (SELECT id FROM threads WHERE holder = :holder AND %s LIMIT 1),
        (SELECT id FROM threads WHERE NOT {HELD} AND %s LIMIT 1))
    RETURNING id, attempts, crashes
"""
"""A claimed thread stays due, so that it is found again once its lease is over."""
CLAIM_DUE = _CLAIM % ("true", "wake_at <= :now ORDER BY wake_at")
CLAIM_ONE = _CLAIM % ("id = :id", "id = :id")
RENEW = """
    UPDATE threads SET lease_from = :uptime, lease_until = :uptime + :ttl_s
    WHERE holder IN (SELECT value FROM json_each(:holders))
"""
RELEASE = """
    UPDATE threads SET holder = NULL, lease_from = NULL, lease_until = NULL,
        attempts = CASE WHEN version = :version THEN :attempts ELSE attempts END,
        wake_at = CASE WHEN version <> :version OR wake_at > 0 OR :wake_at <= :now THEN wake_at
            ELSE :wake_at END,
        problem = CASE WHEN version = :version AND wait IS NULL THEN :problem ELSE problem END
    WHERE id = :id AND holder = :holder
"""
NOTICE = """
    INSERT INTO causes (cause, noticed, noticed_by) VALUES (:cause, :now, :by)
    ON CONFLICT DO UPDATE SET noticed = :now, noticed_by = :by
    WHERE noticed <= :now - :every_s OR noticed_by = :by RETURNING cause
"""
SWEEP_CAUSES = "DELETE FROM causes WHERE noticed <= :now - :kept_s"
RELEASE_CAUSE = "UPDATE threads SET wake_at = :now, released_by = :by WHERE cause = :cause"
"""A time above 0 keeps the release of a lease from putting the thread to rest."""
FIND_RELEASE = "SELECT released_by FROM threads WHERE id = :id AND released_by IS NOT NULL"
SWEEP_WORKERS = "DELETE FROM workers WHERE since > :uptime OR until <= :uptime"
ANNOUNCE = """
    INSERT INTO workers (id, about, since, until) VALUES (:id, :about, :uptime, :uptime + :ttl_s)
    ON CONFLICT DO UPDATE SET about = excluded.about, since = excluded.since, until = excluded.until
"""
WORKERS = """
    SELECT id, about FROM workers WHERE since <= :uptime AND until > :uptime ORDER BY id
"""
