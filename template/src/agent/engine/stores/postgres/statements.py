"""The SQL statements of the PostgreSQL store."""

LOAD = """
    SELECT type, data, actor, key, seq, at FROM events
    WHERE thread_id = %s AND seq > %s ORDER BY seq
"""
VERSIONS = "SELECT id, version FROM threads WHERE id = ANY(%s)"
APPEND = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at)
    SELECT %(id)s, seq, type, key, actor, data::json, coalesce(at, clock_timestamp())
    FROM unnest(%(seqs)s::integer[], %(types)s::text[], %(keys)s::text[], %(actors)s::text[],
        %(data)s::text[], %(times)s::timestamptz[]) AS new (seq, type, key, actor, data, at)
    ORDER BY seq ON CONFLICT DO NOTHING RETURNING seq, at
"""
SAVE = """
    INSERT INTO threads (id, version, status, agent, owner, title, wait, created, updated, wake_at)
    VALUES (%(id)s, %(version)s, %(status)s, %(agent)s, %(owner)s, %(title)s, %(wait)s,
        clock_timestamp(), clock_timestamp(), CASE WHEN %(due)s THEN clock_timestamp() END)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status,
        agent = excluded.agent, owner = excluded.owner, title = excluded.title,
        wait = excluded.wait,
        updated = CASE WHEN (threads.status, threads.wait) IS DISTINCT FROM
            (excluded.status, excluded.wait) THEN excluded.updated ELSE threads.updated END,
        wake_at = coalesce(excluded.wake_at, threads.wake_at),
        attempts = CASE WHEN %(due)s THEN 0 ELSE threads.attempts END, crashes = 0
    RETURNING lease_until > clock_timestamp()
"""
_SUMMARY = """
    id, status, agent, owner, title, version, created, updated,
    coalesce(lease_until > clock_timestamp(), false)
"""
_LIST = f"SELECT {_SUMMARY} FROM threads {{}} ORDER BY updated DESC LIMIT %(limit)s"
WAITS = f"""
    SELECT {_SUMMARY}, type, data, actor, key, seq, at FROM threads
    JOIN events ON thread_id = id AND seq = wait
    WHERE wait IS NOT NULL ORDER BY updated DESC LIMIT %(limit)s
"""
LIST = {
    (False, False): _LIST.format(""),
    (True, False): _LIST.format("WHERE wait IS NOT NULL"),
    (False, True): _LIST.format("WHERE id >= %(first)s AND id < %(after)s"),
    (True, True): _LIST.format("WHERE id >= %(first)s AND id < %(after)s AND wait IS NOT NULL"),
}
"""By whether only waiting threads are asked for, and whether only those of a prefix."""
# A subquery reads the clock once, so that the index on `wake_at` can be used.
_CLAIM = """
    UPDATE threads SET crashes = CASE WHEN holder IS NULL THEN 0 ELSE crashes + 1 END,
        holder = %(holder)s, lease_until = clock_timestamp() + make_interval(secs => %(ttl_s)s)
    WHERE id = (
        SELECT id FROM threads
        WHERE (lease_until IS NULL OR lease_until <= clock_timestamp()) AND {})
    RETURNING id, attempts, crashes
"""
CLAIM_DUE = _CLAIM.format(
    "wake_at <= (SELECT clock_timestamp()) ORDER BY wake_at LIMIT 1 FOR UPDATE SKIP LOCKED"
)
CLAIM_ONE = _CLAIM.format("id = %(id)s FOR UPDATE")
RENEW = """
    UPDATE threads SET lease_until = clock_timestamp() + make_interval(secs => %s)
    WHERE holder = ANY(%s) RETURNING id
"""
RELEASE = """
    UPDATE threads SET holder = NULL, lease_until = NULL,
        attempts = CASE WHEN version = %(version)s THEN %(attempts)s ELSE attempts END,
        wake_at = CASE WHEN version = %(version)s THEN %(wake_at)s ELSE wake_at END
    WHERE id = %(id)s AND holder = %(holder)s RETURNING id
"""
