"""The SQL statements of the PostgreSQL store."""

from ..lists import Dialect

LOAD = """
    SELECT type, data, actor, key, seq, at FROM agent.events
    WHERE thread_id = %(id)s AND seq > %(first)s ORDER BY seq
"""
VERSIONS = "SELECT id, version FROM agent.threads WHERE id = ANY(%(names)s)"
VERSION = "SELECT version FROM agent.threads WHERE id = %(id)s FOR UPDATE"
APPEND = """
    INSERT INTO agent.events (thread_id, seq, type, key, actor, data, at)
    SELECT %(id)s, seq, type, key, actor, data::json, coalesce(at, clock_timestamp())
    FROM unnest(%(seqs)s::integer[], %(types)s::text[], %(keys)s::text[], %(actors)s::text[],
        %(data)s::text[], %(times)s::timestamptz[]) AS new (seq, type, key, actor, data, at)
    ORDER BY seq ON CONFLICT DO NOTHING RETURNING seq, at
"""
BEGIN = """
    INSERT INTO agent.threads (
        id, version, status, agent, owner, title, parent, wait, problem, cause, created, updated,
        wake_at)
    SELECT %(id)s, %(version)s, %(status)s, %(agent)s, %(owner)s, %(title)s, %(parent)s, %(wait)s,
        %(problem)s, %(cause)s, clock_timestamp(), clock_timestamp(),
        CASE WHEN %(due)s THEN clock_timestamp() END
    WHERE NOT EXISTS (SELECT FROM agent.forgotten WHERE thread_id = %(id)s)
    ON CONFLICT DO NOTHING RETURNING false
"""
SAVE = """
    UPDATE agent.threads SET version = %(version)s, status = %(status)s, agent = %(agent)s,
        owner = %(owner)s, title = %(title)s, wait = %(wait)s, problem = %(problem)s,
        cause = %(cause)s,
        updated = CASE WHEN (status, wait) IS DISTINCT FROM (%(status)s, %(wait)s::integer)
            THEN clock_timestamp() ELSE updated END,
        released_by = CASE WHEN wait = %(wait)s::integer THEN released_by END,
        wake_at = CASE WHEN %(due)s THEN least(wake_at, clock_timestamp()) ELSE wake_at END,
        attempts = CASE WHEN %(due)s THEN 0 ELSE attempts END, crashes = 0
    WHERE id = %(id)s RETURNING lease_until > clock_timestamp()
"""
"""It finds no row once the thread was deleted, even by a transaction that it had to wait for."""
FORGET = """
    WITH gone AS (
        DELETE FROM agent.threads WHERE id = %(id)s AND version = %(version)s
            AND (lease_until IS NULL OR lease_until <= clock_timestamp()) RETURNING id),
    log AS (DELETE FROM agent.events USING gone WHERE thread_id = gone.id),
    readers AS (DELETE FROM agent.participants USING gone WHERE thread_id = gone.id)
    INSERT INTO agent.forgotten (thread_id, deliveries) SELECT id, %(deliveries)s::text FROM gone
    RETURNING thread_id
"""
DELIVERIES = "SELECT deliveries FROM agent.forgotten WHERE thread_id = %(id)s"
IDS = "SELECT id FROM agent.threads WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
COUNTS = """
    SELECT agent, status,
        status = 'running' AND coalesce(lease_until > clock_timestamp(), false), count(*),
        min(updated)
    FROM agent.threads GROUP BY 1, 2, 3
"""


def _sum_tokens(name: str) -> str:
    count = f"data->'tokens'->'{name}'"
    is_number = f"json_typeof({count}) = 'number'"
    return f"coalesce(sum(CASE WHEN {is_number} THEN ({count})::text::numeric END), 0)"


USAGE = f"""
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), agent, owner,
        coalesce(data->>'model', ''), (data->'price')::text, count(*), {_sum_tokens("input")},
        {_sum_tokens("cached")}, {_sum_tokens("cache_write")}, {_sum_tokens("output")}
    FROM agent.threads JOIN agent.events ON thread_id = threads.id
    WHERE (%(since)s::timestamptz IS NULL OR at >= %(since)s
            AND (updated >= %(since)s OR status = 'running'))
        AND type IN ('step', 'invalid_step', 'discarded', 'compacted', 'consulted')
        AND json_typeof(data->'tokens') = 'object' AND seq > coalesce((
            SELECT max(seq) FROM agent.events forked
            WHERE forked.thread_id = threads.id AND forked.type = 'forked'), 0)
    GROUP BY 1, 2, 3, 4, 5
"""
"""A fork does not count the calls that its origin made."""
LISTS = Dialect(
    value="%({})s",
    schema="agent.",
    running="coalesce(lease_until > clock_timestamp(), false)",
    says="""EXISTS (SELECT FROM agent.events first
        WHERE first.thread_id = threads.id AND first.seq = 1
        AND first.data->>'text' ILIKE {pattern})""",
    asks="""EXISTS (SELECT FROM agent.events asked WHERE asked.thread_id = threads.id
        AND asked.seq = wait
        AND CAST(asked.data->'audience' AS jsonb) ?| ARRAY[{asked}, 'anyone'])""",
)
TOUCH = """
    UPDATE agent.participants SET updated = threads.updated FROM agent.threads
    WHERE thread_id = %(id)s AND id = %(id)s
"""
WRITE_READERS = """
    WITH gone AS (
        DELETE FROM agent.participants WHERE thread_id = %(id)s AND name <> ALL (%(readers)s))
    INSERT INTO agent.participants (name, thread_id, updated)
    SELECT name, id, updated FROM unnest(%(readers)s::text[]) AS names (name), agent.threads
    WHERE id = %(id)s ON CONFLICT DO NOTHING
"""
OPEN_SESSION = """
    WITH over AS (DELETE FROM agent.sessions WHERE expires_at <= clock_timestamp())
    INSERT INTO agent.sessions (id, proof, expires_at) VALUES (%(id)s, %(proof)s, %(until)s)
    RETURNING id
"""
FIND_SESSION = """
    SELECT id, proof, expires_at FROM agent.sessions
    WHERE id = %(id)s AND expires_at > clock_timestamp()
"""
CLOSE_SESSION = "DELETE FROM agent.sessions WHERE id = %(id)s RETURNING id"
# A subquery reads the clock once, so that the index on `wake_at` can be used.
_CLAIM = """
    WITH set_back AS (
        UPDATE agent.threads SET lease_from = clock_timestamp(),
            lease_until = clock_timestamp() + (lease_until - lease_from)
        WHERE holder IS NOT NULL AND lease_from > clock_timestamp())
    UPDATE agent.threads SET crashes = CASE WHEN holder IS NULL THEN 0
            WHEN holder = %(holder)s THEN crashes ELSE crashes + 1 END,
        holder = %(holder)s, wake_at = 'epoch', lease_from = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => %(ttl_s)s)
    WHERE id = coalesce(
        (SELECT id FROM agent.threads WHERE holder = %(holder)s AND {} LIMIT 1 FOR UPDATE),
        (SELECT id FROM agent.threads
        WHERE (lease_until IS NULL OR lease_until <= clock_timestamp()) AND {}))
    RETURNING id, attempts, crashes
"""
"""A lease that begins in the future is one of a clock that was set back since: it begins now. A
claimed thread stays due, so that it is found again once its lease is over."""
CLAIM_DUE = _CLAIM.format(
    "true",
    "wake_at <= (SELECT clock_timestamp()) ORDER BY wake_at LIMIT 1 FOR UPDATE SKIP LOCKED",
)
CLAIM_ONE = _CLAIM.format("id = %(id)s", "id = %(id)s FOR UPDATE")
RENEW = """
    UPDATE agent.threads SET lease_from = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => %(ttl_s)s)
    WHERE holder = ANY(%(holders)s) RETURNING id
"""
RELEASE = """
    UPDATE agent.threads SET holder = NULL, lease_from = NULL, lease_until = NULL,
        attempts = CASE WHEN version = %(version)s THEN %(attempts)s ELSE attempts END,
        wake_at = CASE
            WHEN version <> %(version)s OR wake_at > 'epoch' OR %(wake_at)s <= clock_timestamp()
            THEN wake_at ELSE %(wake_at)s END,
        problem = CASE WHEN version = %(version)s AND wait IS NULL THEN %(problem)s::text
            ELSE problem END
    WHERE id = %(id)s AND holder = %(holder)s RETURNING id
"""
NOTICE = """
    INSERT INTO agent.causes (cause, noticed, noticed_by)
    VALUES (%(cause)s, clock_timestamp(), %(by)s)
    ON CONFLICT (cause) DO UPDATE SET noticed = clock_timestamp(), noticed_by = %(by)s
    WHERE causes.noticed_by = %(by)s
        OR causes.noticed <= clock_timestamp() - make_interval(secs => %(every_s)s)
    RETURNING cause
"""
LOCK_CAUSE = "SELECT pg_advisory_xact_lock(hashtextextended(%(cause)s, 0))"
"""Two people who continue two threads with one cause would each wait for the other's row."""
RELEASE_CAUSE = """
    WITH gone AS (
        DELETE FROM agent.causes
        WHERE noticed <= clock_timestamp() - make_interval(secs => %(kept_s)s))
    UPDATE agent.threads SET wake_at = clock_timestamp(), released_by = %(by)s
    WHERE cause = %(cause)s
"""
"""A time after the epoch keeps the release of a lease from putting the thread to rest."""
FIND_RELEASE = "SELECT released_by FROM agent.threads WHERE id = %(id)s AND released_by IS NOT NULL"
ANNOUNCE = """
    WITH gone AS (
        DELETE FROM agent.workers
        WHERE (since > clock_timestamp() OR until <= clock_timestamp()) AND id <> %(id)s)
    INSERT INTO agent.workers (id, about, since, until)
    VALUES (%(id)s, %(about)s, clock_timestamp(),
        clock_timestamp() + make_interval(secs => %(ttl_s)s))
    ON CONFLICT (id) DO UPDATE
        SET about = excluded.about, since = excluded.since, until = excluded.until
    RETURNING id
"""
WORKERS = """
    SELECT id, about FROM agent.workers
    WHERE since <= clock_timestamp() AND until > clock_timestamp() ORDER BY id
"""
