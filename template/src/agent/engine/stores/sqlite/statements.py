"""The SQL statements of the SQLite store."""

LOAD = "SELECT type, data, actor, key, seq, at FROM events WHERE thread_id = ? ORDER BY seq"
APPEND = """
    INSERT INTO events (thread_id, seq, type, key, actor, data, at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SAVE = """
    INSERT INTO threads (id, version, status, agent, created, updated, wake_at)
    VALUES (:id, :version, :status, :agent, :now, :now, :wake_at)
    ON CONFLICT (id) DO UPDATE SET version = :version, status = :status, updated = :now,
        wake_at = coalesce(:wake_at, wake_at), crashes = 0,
        attempts = CASE WHEN :wake_at IS NULL THEN attempts ELSE 0 END
"""
LIST = """
    SELECT id, status, agent, version, created, updated, coalesce(lease_until, 0) FROM threads
    WHERE id < ? AND id >= ? AND status LIKE ? ORDER BY updated DESC LIMIT ?
"""
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
