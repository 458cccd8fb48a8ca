"""The SQL statements of the SQLite store."""

LOAD = """
    SELECT type, data, actor, key, seq, at FROM events
    WHERE thread_id = ? AND seq > ? ORDER BY seq LIMIT ?
"""
VERSIONS = "SELECT id, version FROM threads WHERE id IN (SELECT value FROM json_each(?))"
APPEND = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
INSERT = """
    INSERT INTO threads (id, version, status, agent, owner, title, wait, created, updated, wake_at)
    VALUES (:id, :version, :status, :agent, :owner, :title, :wait, :now, :now, :wake_at)
"""
COUNT = "UPDATE threads SET version = :version, crashes = 0 WHERE id = :id"
"""What an append changes that leaves the thread as it was: no index names these columns."""
WAKE = """
    UPDATE threads SET version = :version, crashes = 0, wake_at = :wake_at, attempts = 0
    WHERE id = :id
"""
CHANGE = """
    UPDATE threads SET version = :version, crashes = 0, status = :status, title = :title,
        agent = :agent, owner = :owner, wait = :wait, updated = :now,
        wake_at = coalesce(:wake_at, wake_at),
        attempts = CASE WHEN :wake_at IS NULL THEN attempts ELSE 0 END
    WHERE id = :id
"""
_SUMMARY = "id, status, agent, owner, title, version, created, updated, coalesce(lease_until, 0)"
_LIST = f"SELECT {_SUMMARY} FROM threads {{}} ORDER BY updated DESC LIMIT :limit"
WAITS = f"""
    SELECT {_SUMMARY}, type, data, actor, key, seq, at FROM threads
    JOIN events ON thread_id = id AND seq = wait
    WHERE wait IS NOT NULL ORDER BY updated DESC LIMIT :limit
"""
LIST = {
    (False, False): _LIST.format(""),
    (True, False): _LIST.format("WHERE wait IS NOT NULL"),
    (False, True): _LIST.format("WHERE id >= :first AND id < :after"),
    (True, True): _LIST.format("WHERE id >= :first AND id < :after AND wait IS NOT NULL"),
}
"""By whether only waiting threads are asked for, and whether only those of a prefix."""
_CLAIM = """
    UPDATE threads SET crashes = CASE WHEN holder IS NULL THEN 0 ELSE crashes + 1 END,
        holder = :holder, lease_until = :now + :ttl_s
    WHERE id = (
        SELECT id FROM threads WHERE coalesce(lease_until, 0) <= :now AND {} LIMIT 1)
    RETURNING id, attempts, crashes
"""
CLAIM_DUE = _CLAIM.format("wake_at <= :now ORDER BY wake_at")
CLAIM_ONE = _CLAIM.format("id = :id")
RENEW = """
    UPDATE threads SET lease_until = ? WHERE holder IN (SELECT value FROM json_each(?))
"""
RELEASE = """
    UPDATE threads SET holder = NULL, lease_until = NULL,
        attempts = CASE WHEN version = :version THEN :attempts ELSE attempts END,
        wake_at = CASE WHEN version = :version THEN :wake_at ELSE wake_at END
    WHERE id = :id AND holder = :holder
"""
