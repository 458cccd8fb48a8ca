"""Deliberate faults of the emitted agent, and the test of its own that each turns red.

The old text stands exactly once in its file. Where several tests go red, the quickest is named.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    """Under `template/src/agent/engine`."""
    old: str
    new: str
    red: str
    """Under `template/tests/engine`."""

    @property
    def about(self) -> str:
        """A folder of the engine, or the variant where that is not the usual one."""
        return self.file.partition("/")[0] if self.variant == "full" else self.variant

    @property
    def variant(self) -> str:
        """Which of the emitted agents has it."""
        distributed = any(part in self.file for part in ("postgres", "procrastinate"))
        return "distributed" if distributed else "full"


SQLITE = "test_contracts.py::TestSqliteStore"
MEMORY = "test_contracts.py::TestMemoryStore"
ANTHROPIC = "llms/test_anthropic.py::TestAnthropic"
GEMINI = "llms/test_gemini.py::TestGemini"
OPENAI = "llms/test_openai.py::TestOpenai"
POSTGRES = "stores/postgres/test_store.py"
PROCRASTINATE = "runners/procrastinate/test_runner.py"
WEBHOOK = "webhook/test_routes.py"

FAULTS = [
    # -- who may allow what --
    Fault(
        "the digest is not checked",
        "loop/verdicts.py",
        'if verdict == "approve" and digest != wait.data["digest"]:',
        "if False:",
        "loop/test_api.py::test_an_approval_is_one_of_exactly_the_call_that_was_shown",
    ),
    Fault(
        "the audience is not checked",
        "loop/verdicts.py",
        "    if not wait.admits(actor):",
        "    if False:",
        "loop/test_api.py::test_only_whom_the_wait_names_may_answer",
    ),
    Fault(
        "an edit is not held to the approvers of the edited call",
        "loop/verdicts.py",
        '    if needed and not {actor, "anyone"}.intersection(needed):',
        "    if False:",
        "loop/test_api.py::test_an_edit_cannot_go_around_those_whose_leave_the_edited_call_needs",
    ),
    Fault(
        "no leave is asked for",
        "loop/tool_calls.py",
        "            if approver is None:\n                return Planned(await _ask_approval(",
        "            if False:\n                return Planned(await _ask_approval(",
        "loop/test_tool_calls.py::test_a_call_that_needs_leave_does_not_run_before_it_has_it",
    ),
    Fault(
        "an approval of yesterday's call is good for another one",
        "loop/tool_calls.py",
        "given = [step.approved_by] if _is_same(step, call) else []",
        "given = [step.approved_by]",
        "loop/test_edits.py::test_a_call_that_would_run_with_another_value_is_asked_about_again"
        "[stored1-leek]",
    ),
    Fault(
        "an approval counts whoever gave it",
        "loop/tool_calls.py",
        'if by and not may.isdisjoint({by, "anyone"})',
        "if by",
        "loop/test_policy.py::test_an_approval_does_not_count_once_others_have_to_give_it",
    ),
    Fault(
        "an edit runs as it was typed",
        "loop/verdicts.py",
        "    changed = agent.steps.write(step)\n",
        "    changed = {**call}\n",
        "loop/test_edits.py::test_an_edit_is_shown_and_kept_and_run_in_its_final_form"
        "[name-  leek -leek]",
    ),
    Fault(
        "an edit may be another call than the one shown",
        "loop/api.py",
        '            if digest not in (compute_digest(data["call"]), waiting.data["digest"]):',
        "            if False:",
        "loop/test_edits.py::test_an_edit_is_bound_to_the_call_that_was_shown",
    ),
    Fault(
        "those it would escalate to approve before it escalates",
        "loop/record.py",
        "    escalated = action.escalate if thread.state.escalated else ()",
        "    escalated = action.escalate",
        "loop/test_approvals.py::test_those_it_escalates_to_approve_nothing_before",
    ),
    Fault(
        "a standing approval forgets a value that the call does not have",
        "loop/tool_calls.py",
        "        if wrong := [name for name in action.standing if name not in call]:",
        "        if wrong := []:",
        "loop/test_approvals.py::"
        "test_a_scope_that_the_call_does_not_have_is_an_error_and_no_wider_scope",
    ),
    Fault(
        "recovery runs what nobody was shown",
        "loop/tool_calls.py",
        "    approver = _find_approver(ports, thread, step, action, agent.steps.write(typed))",
        "    approver = _find_approver(ports, thread, step, action, step.call)",
        "loop/test_approvals.py::test_a_call_that_gained_a_nested_default_is_not_recovered_unseen",
    ),
    Fault(
        "a value is lost when a call is read",
        "llms/output.py",
        "same = again == step and ",
        "same = ",
        "loop/test_edits.py::"
        "test_a_value_that_would_be_lost_or_fails_is_refused_and_never_runs[Secret-call0]",
    ),
    Fault(
        "a standing approval is good for other values",
        "log/state.py",
        'return call["intent"] == self.intent and equal',
        'return call["intent"] == self.intent',
        "loop/test_approvals.py::test_an_approval_for_the_thread_is_good_for_the_same_values",
    ),
    Fault(
        "a standing approval is good for fewer values than the policy names",
        "loop/tool_calls.py",
        "        if each.values.keys() == {*action.standing} and each.covers(call)",
        "        if each.covers(call)",
        "loop/test_approvals.py::test_it_counts_only_as_the_policy_of_today_says[narrower]",
    ),
    Fault(
        "a standing approval outlives its thread",
        "log/thread.py",
        "return _apply_end(state._replace(standing=()), event)",
        "return _apply_end(state, event)",
        "loop/test_approvals.py::test_it_ends_with_the_thread",
    ),
    Fault(
        "a standing approval outlives a fork",
        "log/thread.py",
        "return _apply_end(state._replace(standing=()), event)",
        "return _apply_end(state, event)",
        "loop/test_approvals.py::test_a_fork_has_none",
    ),
    Fault(
        "a standing approval comes in with an import",
        "cli/admin.py",
        '    if event.type != "resumed" or "standing" not in event.data:',
        "    if True:",
        "cli/test_admin.py::test_an_import_brings_no_standing_approval",
    ),
    Fault(
        "anybody is asked, known or not",
        "loop/record.py",
        "    if members := ports.directory.find_members(name):\n        return members\n",
        "    return ports.directory.find_members(name) or (name,)\n",
        "loop/test_approvals.py::"
        "test_a_thread_that_asks_nobody_known_says_so_and_goes_on_once_they_are_known[leed]",
    ),
    Fault(
        "a call that nobody approved in time runs",
        "log/thread.py",
        'case "expired" if step and wait.data.get("escalate"):',
        'case "expired" if step:',
        "loop/test_approvals.py::"
        "test_a_call_that_nobody_approves_in_time_does_not_run_even_after_it_escalated",
    ),
    Fault(
        "others who are asked are not notified where the thread is followed",
        "log/thread.py",
        'return state.reply_to.startswith("poll:") and (wait is None or wait.admits(state.owner))',
        'return state.reply_to.startswith("poll:")',
        "log/test_thread.py::test_nobody_is_notified_who_follows_the_thread_anyway"
        "[poll:-audience3-True]",
    ),
    Fault(
        "the loop imports what only a step needs",
        "loop/outcome.py",
        "import asyncio\n",
        "import asyncio\nimport pydantic\n",
        "test_face.py::test_the_help_of_the_program_imports_nothing_that_is_slow",
    ),
    Fault(
        "a tool that exits ends the runner",
        "loop/outcome.py",
        "except (Exception, SystemExit, asyncio.CancelledError) as error:",
        "except Exception as error:",
        "loop/test_tool_calls.py"
        "::test_a_tool_ends_nothing_but_its_call[leave_async-SystemExit: gone]",
    ),
    Fault(
        "any number of sync tools run at once",
        "loop/outcome.py",
        "nullcontext() if is_async else get_slots()",
        "nullcontext()",
        "loop/test_tool_calls.py"
        "::test_so_many_sync_tools_run_at_once_and_those_that_hang_are_replaced",
    ),
    Fault(
        "an unseen character is shown as nothing",
        "characters.py",
        "    return not (char.isprintable() and not _BLANK.match(char))",
        "    return not char.isprintable()",
        "log/test_characters.py::test_what_nobody_sees_is_spelled_out[U+3164]",
    ),
    Fault(
        "a model reads characters that people do not see",
        "context/blocks.py",
        'clean("\\n".join(lines)).replace',
        '"\\n".join(lines).replace',
        "context/test_blocks.py::test_no_character_reaches_the_model_unseen[U+200B]",
    ),
    Fault(
        "a wide bracket begins a tag",
        "context/blocks.py",
        '_WIDE.sub("&lt;", ',
        'str("" or ',
        "context/test_blocks.py::test_a_wide_bracket_begins_no_tag",
    ),
    Fault(
        "the expiry is not looked at before an answer",
        "loop/api.py",
        "    thread = await keep_time(ports, await ports.store.load(thread_id))\n    cause",
        "    thread = await ports.store.load(thread_id)\n    cause",
        "loop/test_api.py::"
        "test_an_approval_that_comes_too_late_is_refused_and_the_call_does_not_run",
    ),
    Fault(
        "nothing expires",
        "loop/clock.py",
        "    elif wait and wait.expires_at and wait.expires_at <= now:\n",
        "    elif False:\n",
        "loop/test_api.py::test_a_wait_whose_time_is_over_is_closed_by_the_system",
    ),
    # -- what a message does --
    Fault(
        "a message supersedes nothing",
        "log/thread.py",
        "        state = state if keeps else _drop(state)",
        "        state = state",
        "log/test_thread.py::test_a_message_supersedes_what_a_person_may_change_their_mind_about",
    ),
    Fault(
        "a message does not supersede a call that was not started",
        "log/thread.py",
        "    elif step and not step.starts and not step.approved_by:",
        "    elif False:",
        "loop/test_advance.py::test_an_old_version_is_looked_at_again_before_anything_is_decided",
    ),
    Fault(
        "a retry is forgotten when a message comes first",
        "log/thread.py",
        "step._replace(starts=0, approved_by=by)",
        "replace(step, starts=0)",
        "loop/test_tool_calls.py::test_a_retry_is_not_forgotten_when_a_message_comes_first",
    ),
    # -- one effect, once --
    Fault(
        "the write-ahead comes after the tool",
        "loop/advance.py",
        "        events = [decision, planned.event] if planned else [decision]\n",
        "        events = [decision]\n",
        "loop/test_approvals.py::test_an_approval_for_the_thread_is_good_for_the_same_values",
    ),
    Fault(
        "each start has a key of its own",
        "loop/tool_calls.py",
        "Call(idempotency_key(thread), planned.approver, thread)",
        "Call(idempotency_key(thread) + str(thread.state.version), planned.approver, thread)",
        "loop/test_tool_calls.py::"
        "test_a_call_that_is_run_again_has_the_same_key_and_the_model_never_hears_of_it",
    ),
    Fault(
        "the key does not know what is settled",
        "log/thread.py",
        "{thread.state.settled.count(call)}",
        "0",
        "log/test_thread.py::test_an_effect_keeps_its_name_until_its_outcome_is_certain",
    ),
    Fault(
        "what may run once is recovered like what may run again",
        "loop/tool_calls.py",
        'if not isinstance(action, Run) or action.effect == "once" or stopped:',
        "if not isinstance(action, Run) or stopped:",
        "loop/test_tool_calls.py::"
        "test_a_start_without_a_result_is_settled_by_what_a_repetition_would_do",
    ),
    Fault(
        "what may run again is started for ever",
        "loop/tool_calls.py",
        "    if step.starts < MAX_STARTS:\n",
        "    if step.starts < 1000:\n",
        "crash/test_kills.py::"
        "test_a_tool_that_always_kills_its_worker_is_given_up_after_three_starts",
    ),
    Fault(
        "a late result has the key of the first",
        "loop/tool_calls.py",
        'unique = f"late:{start}" if late else key',
        "unique = key",
        "loop/test_tool_calls.py::"
        "test_of_two_results_the_first_counts_and_the_other_is_recorded_and_shown",
    ),
    # -- facts, and what is told --
    Fault(
        "a fact is not made anew for the version that won",
        "loop/record.py",
        "        except Conflict:",
        "        except ZeroDivisionError:",
        "loop/test_api.py::test_a_fact_is_appended_to_whatever_the_thread_has_become",
    ),
    Fault(
        "a fact is dropped where another one was quicker",
        "loop/record.py",
        "            stale = True\n",
        "            return await store.load(thread.id)\n",
        "loop/test_api.py::test_a_fact_is_made_anew_for_each_version",
    ),
    Fault(
        "a fact does not wait for a store that is away",
        "loop/record.py",
        "            if clock.time() > deadline:\n",
        "            if True:\n",
        "loop/test_api.py::test_a_fact_is_not_lost_because_the_store_is_away_for_a_moment",
    ),
    Fault(
        "the outbox is not looked at",
        "log/state.py",
        "    if not postponed.issuperset(state.outbox):\n",
        "    if False:\n",
        "loop/test_advance.py::test_it_goes_on_until_there_is_nothing_to_do_but_wait",
    ),
    Fault(
        "a closed wait stays in the outbox",
        "log/thread.py",
        "return _remove(_remove(state.outbox, wait.seq), wait.reminder) if wait else",
        "return",
        "loop/test_advance.py::test_a_closed_wait_is_not_shown_any_more",
    ),
    Fault(
        "a question replaces the one that cannot be shown",
        "runners/local.py",
        '    if word == "deliver":\n',
        "    if False:\n",
        "runners/test_local.py::"
        "test_a_delivery_that_kills_its_runners_is_given_up_and_opens_no_second_wait",
    ),
    Fault(
        "there are no limits",
        "log/state.py",
        'return "escalate" if find_limit(state, limits) else "think"',
        'return "think"',
        "log/test_thread.py::test_the_plan_is_one_word",
    ),
    # -- what the model reads --
    Fault(
        "data is not escaped",
        "context/blocks.py",
        '.replace("<", "&lt;")',
        "",
        "context/test_blocks.py::test_a_forged_tag_is_text",
    ),
    Fault(
        "an edit does not replace the call in the context",
        "context/rendering.py",
        'if event.type == "resumed" and event.data["verdict"] == "edit":',
        "if False:",
        "loop/test_tool_calls.py::"
        "test_an_edited_call_is_the_one_that_runs_and_the_only_one_the_model_sees",
    ),
    Fault(
        "compaction splits a step from its result",
        "loop/compaction.py",
        'upto = past.seq - 1 if past.type in ("step", "invalid_step") else upto',
        "upto = past.seq - 1",
        "loop/test_compaction.py::test_compaction_never_splits_a_step_from_its_result",
    ),
    Fault(
        "half a summary is taken for a whole one",
        "loop/compaction.py",
        '        if reply.stop == "end":\n',
        "        if True:\n",
        "loop/test_compaction.py::test_where_there_is_no_summary_each_block_is_a_line",
    ),
    Fault(
        "a run renders an event that it rendered before",
        "context/window.py",
        "        self.version, blocks = thread.state.version, self.blocks\n",
        "        self.version, blocks = thread.state.version - 1, self.blocks\n",
        "context/test_window.py::test_each_prompt_of_a_run_begins_with_the_one_before",
    ),
    Fault(
        "a fork keeps its open step",
        "loop/api.py",
        "        events = events[: step.seq - 1]\n",
        "        break\n",
        "loop/test_api.py::test_a_fork_is_cut_back_to_before_its_open_step",
    ),
    # -- models --
    Fault(
        "a reply that was cut is read",
        "llms/anthropic.py",
        'STOPS.get(answer.get("stop_reason"), "truncated")',
        '"end"',
        f"{ANTHROPIC}::test_a_reply_that_was_cut_or_refused_says_so",
    ),
    Fault(
        "a reply that was refused is read",
        "llms/gemini.py",
        'STOPS.get(said.get("finishReason"), "refused")',
        '"end"',
        f"{GEMINI}::test_a_reply_that_was_cut_or_refused_says_so",
    ),
    Fault(
        "what was only thought is read",
        "llms/providers.py",
        'if part.get("type", "text") == "text")',
        "if True)",
        f"{OPENAI}::test_thinking_in_a_part_of_its_own_is_left_out",
    ),
    Fault(
        "a thought of Gemini's is read",
        "llms/providers.py",
        ' for part in said if not part.get("thought"))',
        " for part in said)",
        f"{GEMINI}::test_thinking_in_a_part_of_its_own_is_left_out",
    ),
    Fault(
        "no cache ends where the call before ended",
        "llms/ladder.py",
        "{len(prompt.blocks), prompt.seen}",
        "{len(prompt.blocks)}",
        f"{ANTHROPIC}::test_the_request_is_unchanged",
    ),
    Fault(
        "tokens read from a cache are not counted as input",
        "llms/anthropic.py",
        '["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]',
        '["input_tokens"]',
        f"{ANTHROPIC}::test_a_reply_has_its_tokens_and_its_model",
    ),
    Fault(
        "a server that is busy stops the thread",
        "llms/providers.py",
        "(200, 408, 409, 425, 429) or status >= 500",
        "(200, 408, 409, 425)",
        f"{GEMINI}::test_a_busy_server_is_unavailable_for_as_long_as_it_says[503]",
    ),
    Fault(
        "a text that was cut is completed",
        "llms/objects.py",
        '        raise ValueError("an object is not closed")\n',
        '        spans.append(text[start:] + quote + "}" * depth)\n',
        "llms/test_output.py::test_a_reply_cut_anywhere_never_becomes_another_step",
    ),
    Fault(
        "of two steps the first is taken",
        "llms/output.py",
        "        if len(calls) > 1:\n",
        "        if False:\n",
        "llms/test_output.py::"
        "test_every_other_reply_is_refused_with_a_message_for_the_model[two steps]",
    ),
    Fault(
        "a field called like a keyword is not in the schema",
        "llms/schema.py",
        '        case "properties" | "$defs":',
        '        case "$defs":',
        "llms/test_output.py::test_the_schema_is_unchanged",
    ),
    # -- the stores --
    Fault(
        "two may append the same version",
        "stores/sqlite/schema.py",
        "PRIMARY KEY (thread_id, seq)",
        "CHECK (seq > 0)",
        f"{SQLITE}::test_an_old_version_cannot_be_appended_to",
    ),
    Fault(
        "a key may be there twice",
        "stores/sqlite/schema.py",
        "CREATE UNIQUE INDEX named",
        "CREATE INDEX named",
        f"{SQLITE}::test_a_key_is_unique_in_a_thread",
    ),
    Fault(
        "a key may be there twice, in memory",
        "stores/memory.py",
        "if taken or version != thread.state.version:",
        "if version != thread.state.version:",
        f"{MEMORY}::test_a_key_is_unique_in_a_thread",
    ),
    Fault(
        "the lease of another is no obstacle",
        "stores/sqlite/statements.py",
        "WHERE coalesce(lease_until, 0) <= :now AND {} LIMIT 1",
        "WHERE {} LIMIT 1",
        f"{SQLITE}::test_a_claimed_thread_is_claimed_by_nobody_else",
    ),
    Fault(
        "crashes are not counted",
        "stores/sqlite/statements.py",
        "ELSE crashes + 1 END",
        "ELSE 0 END",
        f"{SQLITE}::test_an_expired_lease_counts_as_a_crash",
    ),
    Fault(
        "a release forgets what came in meanwhile",
        "stores/sqlite/statements.py",
        "wake_at = CASE WHEN version = :version THEN :wake_at ELSE wake_at END",
        "wake_at = :wake_at",
        f"{SQLITE}::test_a_release_of_an_old_version_keeps_the_wake_up",
    ),
    Fault(
        "a release forgets what came in meanwhile, in memory",
        "stores/memory.py",
        "if row.thread.state.version == thread.state.version:",
        "if True:",
        f"{MEMORY}::test_a_release_of_an_old_version_keeps_the_wake_up",
    ),
    Fault(
        "a fact does not make its thread due",
        "stores/sqlite/rows.py",
        '"wake_at": now if due else None',
        '"wake_at": now if due and grown.state.version == 1 else None',
        f"{SQLITE}::test_every_fact_makes_its_thread_due",
    ),
    Fault(
        "a database that was deleted is written on",
        "stores/sqlite/file.py",
        "elif (identity := self._identify()) != self._identity:",
        "elif (identity := self._identify()) not in (self._identity, None):",
        "stores/test_sqlite.py::test_a_database_that_was_deleted_is_unavailable",
    ),
    Fault(
        "a database is used that took the place of another",
        "stores/sqlite/file.py",
        "elif (identity := self._identify()) != self._identity:",
        "elif not (identity := self._identify()):",
        "stores/test_sqlite.py::test_a_database_that_was_replaced_is_unavailable",
    ),
    Fault(
        "half an append stays where others are committed with it",
        "stores/sqlite/writer.py",
        '        db.execute("ROLLBACK TO job")\n',
        "",
        f"{SQLITE}::test_several_events_are_appended_together_or_not_at_all",
    ),
    Fault(
        "each append is committed by itself",
        "stores/sqlite/writer.py",
        "while not batch or (len(batch) < MOST and not self._jobs.empty()):",
        "while not batch:",
        "stores/test_sqlite.py::test_what_waits_together_is_committed_together",
    ),
    Fault(
        "who reads waits for who writes",
        "stores/sqlite/database.py",
        "return fetch(await self._open())",
        "return await self.writer.do(fetch)",
        "stores/test_sqlite.py::test_a_thread_is_read_while_somebody_else_writes",
    ),
    Fault(
        "a follower is not woken",
        "stores/memory.py",
        "        self._changes.report({thread.id: row.thread.state.version})\n",
        "",
        f"{MEMORY}::test_whoever_follows_a_thread_gets_what_is_appended",
    ),
    Fault(
        "what another process appends is not noticed",
        "stores/sqlite/__init__.py",
        "if changed == self._looked_at:",
        "if changed:",
        "stores/test_sqlite.py::test_what_another_process_appends_is_noticed",
    ),
    Fault(
        "a newer database is used",
        "stores/sqlite/schema.py",
        "    if version > len(MIGRATIONS):\n",
        "    if False:\n",
        "stores/test_sqlite.py::test_a_database_of_a_newer_version_is_refused_and_left_alone",
    ),
    Fault(
        "a migration is not one transaction",
        "stores/sqlite/schema.py",
        '    db.execute("BEGIN IMMEDIATE")\n    version = _read_version(db)\n',
        '    db.execute("BEGIN IMMEDIATE")\n    version = _read_version(db)\n'
        '    db.execute("COMMIT")\n',
        "stores/test_sqlite.py::test_a_migration_that_fails_changes_nothing",
    ),
    # -- the runner --
    Fault(
        "leases are not renewed",
        "runners/local.py",
        "await asyncio.sleep(self._lease_s / 3)",
        "await asyncio.sleep(self._lease_s * 300)",
        "crash/test_races.py::test_a_lease_is_renewed_while_a_tool_takes_longer_than_it",
    ),
    Fault(
        "the lease of a run that broke is renewed for ever",
        "runners/local.py",
        "        task.add_done_callback(lambda _: self._leases.discard(holder))\n",
        "",
        "runners/test_local.py::test_a_thread_that_failed_is_taken_over_though_the_process_lives",
    ),
    Fault(
        "a worker told to stop goes on",
        "runners/local.py",
        "                stopping.set()\n",
        "                pass\n",
        "test_contracts.py::TestLocalRunner::"
        "test_a_stop_lets_the_current_step_end_and_starts_no_other",
    ),
    Fault(
        "a worker told to stop does not wait for its steps",
        "runners/local.py",
        "                    await asyncio.wait(running, timeout=GRACE_S)\n",
        "                    await asyncio.sleep(0)\n",
        "crash/test_kills.py::test_a_worker_told_to_stop_ends_the_step_at_hand_and_leaves_the_rest",
    ),
    # -- many machines --
    Fault(
        "a key may be there twice, in PostgreSQL",
        "stores/postgres/schema.py",
        "CREATE UNIQUE INDEX once",
        "CREATE INDEX once",
        f"{POSTGRES}::TestPostgresStore::test_a_key_is_unique_in_a_thread",
    ),
    Fault(
        "an append that came second is stored in part, in PostgreSQL",
        "stores/postgres/__init__.py",
        "            if len(times) < len(events):\n",
        "            if not times:\n",
        f"{POSTGRES}::TestPostgresStore::test_several_events_are_appended_together_or_not_at_all",
    ),
    Fault(
        "the lease of another is no obstacle, in PostgreSQL",
        "stores/postgres/statements.py",
        "WHERE (lease_until IS NULL OR lease_until <= clock_timestamp()) AND {})",
        "WHERE {})",
        f"{POSTGRES}::TestPostgresStore::test_of_many_claims_at_once_one_succeeds",
    ),
    Fault(
        "everybody makes the tables",
        "stores/postgres/schema.py",
        """        await db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])\n""",
        "",
        f"{POSTGRES}::test_processes_that_start_at_once_create_the_tables_once",
    ),
    Fault(
        "a hint is deferred beside the append",
        "runners/procrastinate/runner.py",
        "self._advance.configure(connection=db)",
        "(await self.open_app()) and self._advance",
        f"{PROCRASTINATE}::test_a_hint_is_part_of_the_append_that_makes_a_thread_due",
    ),
    Fault(
        "nobody sweeps",
        "runners/procrastinate/runner.py",
        "        await self._run_due(more=True)\n",
        "        pass\n",
        f"{PROCRASTINATE}::test_a_hint_may_be_lost_or_doubled[lost]",
    ),
    Fault(
        "a sweep runs what it finds one by one",
        "runners/procrastinate/runner.py",
        "                if more:\n",
        "                if False:\n",
        f"{PROCRASTINATE}::test_a_sweep_that_finds_many_threads_lets_others_help",
    ),
    Fault(
        "the jobs of dead workers stay",
        "runners/procrastinate/runner.py",
        "delete_job=True",
        "delete_job=False",
        f"{PROCRASTINATE}::test_the_jobs_of_dead_workers_are_cleared_and_their_threads_taken_over",
    ),
    # -- waits for a result --
    Fault(
        "a job's wait is not the result of its tool",
        "loop/tool_calls.py",
        "        elif wait and not late and _is_running(newest.state, step):\n",
        "        elif False:\n",
        "loop/test_tool_calls.py::test_a_tool_may_wait_for_what_becomes_its_result",
    ),
    Fault(
        "a late result closes a job",
        "log/thread.py",
        ' and not data.get("late")\n',
        "\n",
        "loop/test_tool_calls.py::test_a_second_start_that_comes_late_closes_no_job",
    ),
    Fault(
        "a tool that was cancelled waits",
        "loop/tool_calls.py",
        '    alive = state.status in ("running", "waiting:in_doubt")\n',
        "    alive = True\n",
        "loop/test_tool_calls.py::test_a_tool_that_was_cancelled_waits_for_nothing",
    ),
    Fault(
        "what is said runs a tool that waits again",
        "log/thread.py",
        '    reported = state.wait and "job" in state.wait.data\n',
        "    reported = False\n",
        "loop/test_tool_calls.py::"
        "test_a_tool_that_waited_is_not_run_again_by_what_is_said_next[timer-once]",
    ),
    Fault(
        "one channel that is away keeps the others from telling",
        "people/routing.py",
        "                failed.append(Undelivered(str(error), error.retry_after_s))\n",
        "                raise\n",
        "people/test_routing.py::test_a_channel_that_is_away_keeps_no_other_from_telling[slack]",
    ),
    Fault(
        "what is away keeps a wait from expiring",
        "runners/local.py",
        "min(later, wait.due_at) if wait and wait.due_at else later",
        "later",
        "runners/test_local.py::test_an_unavailable_channel_does_not_keep_a_wait_from_expiring",
    ),
    Fault(
        "a job's result is no certain outcome",
        "log/thread.py",
        '        case "happened" | "done":\n',
        '        case "happened":\n',
        "loop/test_tool_calls.py::"
        "test_the_result_of_a_job_is_an_outcome_the_same_call_is_a_new_effect_then",
    ),
    # -- who is told, and where --
    Fault(
        "a channel never hears that its question is closed",
        "log/thread.py",
        "    closed = state.wait and state.wait.shown and not after.wait\n",
        "    closed = False\n",
        "log/test_thread.py::test_who_keeps_a_receipt_of_a_wait_is_told_what_closed_it",
    ),
    Fault(
        "a fork answers in the original's conversation",
        "log/thread.py",
        "state.wait._replace(shown=False)",
        "state.wait",
        "log/test_thread.py::test_what_closes_a_wait_of_a_fork_is_told_to_nobody_in_the_original",
    ),
    Fault(
        "those who are asked are told where nobody of them is",
        "people/routing.py",
        "            if ways := find_channels(person, self.channels):\n",
        "            if ways := []:\n",
        "people/test_routing.py",
    ),
    # -- moving house --
    Fault(
        "an import overwrites what went its own way",
        "cli/admin.py",
        "        if there[:both] != [*thread.events[:both]]:\n",
        "        if False:\n",
        "cli/test_admin.py::test_what_went_on_in_both_places_is_left_as_it_is",
    ),
    # -- what the terminal shows --
    Fault(
        "the terminal cuts a value",
        "cli/waits.py",
        '*(f"    {argument}" for argument in arguments)',
        '*(f"    {argument[:2_000]}" for argument in arguments)',
        "cli/test_waits.py::test_a_call_of_20_kb_is_shown_whole",
    ),
    Fault(
        "a value fills a row of the terminal and forges the next",
        "cli/format.py",
        "            row = [indent, CONTINUES]\n",
        '            row = [""]\n',
        "cli/test_waits.py::test_spaces_in_a_value_push_nothing_to_where_a_line_begins",
    ),
    Fault(
        "a choice or a question forges a line",
        "cli/format.py",
        '*(f"{indent}{CONTINUES}{line}" for line in others)',
        "*others",
        "cli/test_waits.py::test_a_question_and_its_choices_are_shown_whole_and_forge_no_line",
    ),
    Fault(
        "an error forges a line",
        "cli/__init__.py",
        'Screen().show(mark_lines("agent: ", clean(str(error))), "red")',
        'Screen().say(f"agent: {error}", "red")',
        "cli/test_waits.py::test_data_can_neither_steer_the_terminal_nor_forge_a_line",
    ),
    Fault(
        "an edit runs without its last form being approved",
        "cli/edits.py",
        '    return answer if sure and sure[0] in "yY" else None\n',
        "    return answer\n",
        "cli/test_edits.py::test_an_edit_that_is_not_approved_leads_back_to_the_menu",
    ),
    Fault(
        "an edit is not bound to the form that was shown",
        "cli/edits.py",
        ", digest=preview.digest)",
        ")",
        "cli/test_edits.py::test_an_edit_in_a_conversation_is_shown_as_it_would_run_and_then_approved",
    ),
    Fault(
        "the terminal offers a standing approval that the policy does not",
        "cli/dialog.py",
        '["thread"] if wait.data.get("standing") else []',
        '["thread"]',
        "cli/test_talk.py::test_every_kind_of_wait_has_its_words",
    ),
    # -- traces --
    Fault(
        "a span holds what was said",
        "otel/spans.py",
        '        "gen_ai.tool.call.id": str(step.seq),\n',
        '        "gen_ai.tool.call.id": str(event.data),\n        "input": str(thread.events),\n',
        "otel/test_otel.py::test_a_span_holds_no_text_of_the_log",
    ),
    Fault(
        "a span told twice is two",
        "otel/spans.py",
        "make_id(8, self.turn.thread_id, self.last.seq)",
        "id(self)",
        "otel/test_otel.py::test_a_span_that_is_emitted_twice_is_one_span",
    ),
    Fault(
        "an append waits for the collector",
        "otel/sdk.py",
        "        processor = BatchSpanProcessor(OTLPSpanExporter())\n",
        "        from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n\n"
        "        processor = SimpleSpanProcessor(OTLPSpanExporter())\n",
        "otel/test_otel.py::test_a_collector_gets_every_span_and_delays_no_append",
    ),
    # -- schedules --
    Fault(
        "each server makes a tick of its own",
        "cron/ticks.py",
        "        name_thread(schedule, tick),\n        schedule.format_message(tick),\n",
        "        f'{id(app)}',\n        schedule.format_message(tick),\n",
        "cron/test_ticks.py::test_several_servers_start_a_tick_once",
    ),
    Fault(
        "a new schedule begins with what it missed",
        "cron/ticks.py",
        "    return ran is not None and ran[0] < tick\n",
        "    return ran is None or ran[0] < tick\n",
        "cron/test_ticks.py::test_a_starting_process_derives_missed_ticks_from_the_threads",
    ),
    Fault(
        "a time that comes twice is two ticks",
        "cron/schedules.py",
        "if (tick := local.astimezone(UTC)) > after:",
        "if tick := local.astimezone(UTC):",
        "cron/test_schedules.py::test_the_next_ticks_are_in_utc",
    ),
    # -- webhooks --
    Fault(
        "a webhook tells by a channel that is not there",
        "webhook/__init__.py",
        "            if source.notify:",
        "            if False:",
        f"{WEBHOOK}::test_a_notify_address_that_reaches_nobody_stops_the_start",
    ),
    Fault(
        "a webhook needs no signature",
        "webhook/routes.py",
        "    Webhook(secret).verify(body, dict(headers), json_parse=False)\n",
        "",
        f"{WEBHOOK}::test_a_request_without_a_valid_signature_is_refused",
    ),
    Fault(
        "GitHub's signature is not compared",
        "webhook/routes.py",
        'if not hmac.compare_digest(signature.encode(), given.encode("latin-1")):',
        "if not given:",
        f"{WEBHOOK}::test_a_request_without_a_valid_signature_is_refused",
    ),
    Fault(
        "an id that nobody signed names a delivery",
        "webhook/routes.py",
        "return sha256(body).hexdigest()",
        'return headers["x-github-delivery"]',
        f"{WEBHOOK}::test_a_delivery_sent_many_times_is_one_message",
    ),
    Fault(
        "a webhook that is sent again is another message",
        "webhook/routes.py",
        'key = f"webhook:{name}:{signed}"',
        'key = f"webhook:{name}:{id(signed)}"',
        f"{WEBHOOK}::test_a_delivery_sent_many_times_is_one_message",
    ),
    Fault(
        "sources share their conversations",
        "webhook/routes.py",
        "api.name_thread(SOURCE, name, conversation)",
        'api.name_thread(SOURCE, "", conversation)',
        f"{WEBHOOK}::test_each_source_has_its_own_conversations",
    ),
    Fault(
        "two things without a number share a thread",
        "webhook/routes.py",
        "fill_template(template, payload, names=True)",
        "fill_template(template, payload)",
        f"{WEBHOOK}::test_a_request_that_cannot_be_used_is_refused_with_the_reason",
    ),
    Fault(
        "a template reads more than the payload",
        "webhook/payload.py",
        "            case _:\n                raise LookupError(path)\n    return payload",
        "            case _:\n                payload = getattr(payload, name)\n    return payload",
        "webhook/test_payload.py::test_a_missing_path_is_named",
    ),
    Fault(
        "a webhook that is told again looks like another one",
        "webhook/channel.py",
        '"webhook-id": message_id,',
        '"webhook-id": f"{message_id}_{now.timestamp()}",',
        "webhook/test_channel.py::test_an_event_that_is_posted_again_has_the_same_id",
    ),
    Fault(
        "a redirect counts as told",
        "webhook/channel.py",
        "if not answer.is_success:",
        "if answer.is_error:",
        "webhook/test_channel.py::test_any_answer_but_2xx_is_retried",
    ),
    Fault(
        "somebody whose system was not posted to counts as notified",
        "webhook/channel.py",
        "return Sent(tuple(_list_people(asked, posted)))",
        "return Sent(tuple(_list_people(asked, self._receivers)))",
        "webhook/test_channel.py::test_those_whose_system_accepted_were_notified",
    ),
    Fault(
        "a webhook is told of its own people only",
        "webhook/channel.py",
        "    asked = thread.event(wait).data ",
        "    asked = event.data ",
        "webhook/test_channel.py::test_a_wait_is_posted_with_all_that_an_answer_needs",
    ),
    # -- evals --
    Fault(
        "a stale recording answers",
        "llms/recorded.py",
        "    read = json.dumps([prompt.system, prompt.blocks, prompt.ask, schema])\n",
        "    read = json.dumps([prompt.blocks, prompt.ask])\n",
        "cli/test_evals.py::test_a_prompt_or_a_schema_that_changed_makes_a_recording_stale",
    ),
    # -- the inbox --
    Fault(
        "a page obeys what is said in a thread",
        "http/pages.py",
        "        autoescape=True,\n",
        "",
        "inbox/test_inbox.py::test_nothing_in_a_log_is_obeyed[approval]",
    ),
    Fault(
        "a form of another site is taken",
        "http/pages.py",
        "    if not _is_from_here(request):",
        "    if False:",
        "http/test_pages.py::test_another_site_cannot_send_a_form[headers4-403]",
    ),
    Fault(
        "a form is taken without the word of its session",
        "http/sessions.py",
        '        raise HTTPException(403, "You signed in again',
        '        print("You signed in again',
        "inbox/test_inbox.py::test_nothing_is_done_without_the_word_of_the_session[forged0-/]",
    ),
    Fault(
        "signing in leads anywhere",
        "http/sessions.py",
        'wanted if _OWN_PATH.fullmatch(wanted) else "/"',
        "wanted",
        "http/test_pages.py::test_signing_in_leads_nowhere_else[//evil.example/]",
    ),
    Fault(
        "whoever is signed in may look into a thread",
        "http/sessions.py",
        "    return await load_for(service, thread_id, name)",
        "    return await service.app.ports.store.load(thread_id)",
        "inbox/test_access.py::test_a_thread_of_others_does_not_exist[GET-/inbox/{thread_id}]",
    ),
    Fault(
        "who comes second is told that it was them",
        "http/answers.py",
        "== seq and past.actor == name:",
        "== seq:",
        "inbox/test_inbox.py::test_who_comes_second_reads_who_was_first_and_loses_no_word",
    ),
    Fault(
        "the page of a wait answers another one",
        "http/waits.py",
        'fields | {"wait": str(wait)}',
        "fields",
        "http/test_waits.py::test_what_is_refused_comes_back_with_the_reason_and_what_was_typed"
        "[fields3-does not answer this approval]",
    ),
    Fault(
        "a form that showed another call is taken",
        "http/answers.py",
        '    if fields.get("digest", "") != (wait.data.get("digest") or ""):',
        "    if False:",
        "inbox/test_inbox.py::test_a_form_that_showed_another_call_does_nothing"
        "[of another call-reject]",
    ),
    Fault(
        "an edit runs that no preview showed",
        "http/previews.py",
        '    if fields.get("edited", "") != compute_digest(call):',
        "    if False:",
        "http/test_previews.py::test_an_edit_without_its_preview_is_refused"
        "[sent3-not the edited call you were shown]",
    ),
    Fault(
        "a value can look like a row of the call",
        "http/calls.py",
        '    return quote(call[name]) if name in call else ""',
        '    return str(call[name]) if name in call else ""',
        "http/test_calls.py::test_the_call_can_be_read_back_from_its_page",
    ),
    Fault(
        "a page approves for the whole thread what was approved once",
        "http/answers.py",
        'fields.get("standing") == "thread"',
        'bool(fields.get("standing"))',
        "inbox/test_inbox.py::test_an_approval_is_for_one_call_unless_somebody_says_more[once]",
    ),
    Fault(
        "a message withdraws a request that its author did not see",
        "inbox/routes.py",
        'if fields.get("seen", "") != shown and',
        "if False and",
        "inbox/test_inbox.py"
        "::test_a_message_to_a_thread_that_asks_for_something_else_now_comes_back",
    ),
    # -- email --
    Fault(
        "the placeholder of the secret signs links",
        "email/stamp.py",
        "if is_placeholder(secret):",
        "if False:",
        "email/test_channel.py::test_an_incomplete_setup_names_the_setting",
    ),
    Fault(
        "a forged Message-ID leads into a thread",
        "email/stamp.py",
        "return thread_id if hmac.compare_digest(tag, self._sign(thread_id, seq)) else None",
        "return thread_id",
        "email/test_intake.py::test_our_message_ids_lead_to_their_thread_and_forged_ones_do_not",
    ),
    Fault(
        "a mail sent again is another mail",
        "email/letters.py",
        "stamp.make_message_id(thread.id, event.seq)",
        'stamp.make_message_id(thread.id, __import__("secrets").randbelow(9**8))',
        "email/test_channel.py::test_an_unreachable_server_gets_the_same_mail_later",
    ),
    Fault(
        "a password is sent without TLS",
        "email/server.py",
        "        if self.user and not offered:",
        "        if False:",
        "email/test_channel.py::"
        "test_no_password_leaves_this_machine_unencrypted[smtp://u:p@mail.example-False-None]",
    ),
    Fault(
        "a forwarded link is taken from anybody",
        "email/page.py",
        "    if link.person != name:",
        "    if False:",
        "email/test_page.py::test_a_forwarded_link_is_refused_even_to_somebody_who_may_answer",
    ),
    Fault(
        "a link is good for what the form says",
        "email/page.py",
        'given = fields | {"digest": link.digest}',
        "given = fields",
        "email/test_page.py::test_the_link_in_a_mail_leads_to_a_page_that_approves",
    ),
    Fault(
        "a mail cuts a value",
        "email/paragraphs.py",
        'call, scope = "\\n".join(write_call(data["call"])), ',
        'call, scope = "\\n".join(line[:500] for line in write_call(data["call"])), ',
        "email/test_channel.py::test_a_long_call_survives_the_way_to_its_reader",
    ),
    Fault(
        "a mail shows a call of any length",
        "email/paragraphs.py",
        "    if len(call) + len(scope) > LONGEST_CALL:",
        "    if False:",
        "email/test_paragraphs.py::"
        "test_a_call_that_is_too_long_is_not_shown_but_linked_to_with_its_length",
    ),
    Fault(
        "an unseen character is in a mail",
        "email/paragraphs.py",
        "cut(title_wait(data), _LONGEST)",
        'cut(data["text"], _LONGEST)',
        "email/test_paragraphs.py::test_no_unseen_character_is_in_a_mail",
    ),
    Fault(
        "the HTML of a mail says what others wrote as markup",
        "email/paragraphs.py",
        "    lines = (escape(line, quote=False) for",
        "    lines = (line for",
        "email/test_channel.py::test_a_long_call_survives_the_way_to_its_reader",
    ),
    Fault(
        "words of others start a line of a mail",
        "email/paragraphs.py",
        "    subsequent_indent=_INDENT,\n",
        "",
        "email/test_paragraphs.py::test_words_of_others_are_never_at_the_left_edge_of_the_text",
    ),
    Fault(
        "the link of a reminder leads to the reminder",
        "email/letters.py",
        'return int(event.data.get("wait", event.seq))',
        "return event.seq",
        "email/test_page.py::test_the_link_in_a_reminder_leads_to_the_wait",
    ),
    Fault(
        "somebody whose address was refused counts as notified",
        "email/channel.py",
        ' if one["To"] not in refused',
        "",
        "email/test_channel.py::test_those_whose_address_the_server_accepted_were_notified",
    ),
    Fault(
        "anybody may write",
        "email/senders.py",
        '        if not known and not self.allowed.intersection((sender, f"@{domain}")):',
        "        if False:",
        "email/test_senders.py::test_only_listed_senders_may_write[two@other.example-False]",
    ),
    Fault(
        "what a sender wrote into a comment is believed",
        "email/authentication.py",
        "    kept, depth, quoted, signs =",
        "    return value.lower()\n    kept, depth, quoted, signs =",
        "email/test_authentication.py::test_a_sender_is_trusted_if_the_trusted_server_confirms_it",
    ),
    Fault(
        "automatic replies are answered",
        "email/senders.py",
        '    if fields["Auto-Submitted"] not in ("", "no"):',
        "    if False:",
        "email/test_intake.py::test_an_agent_ignores_the_answers_of_another_agent",
    ),
    Fault(
        "a signature is good for ever",
        "email/providers.py",
        "<= WINDOW_S",
        "<= 10**12",
        "email/test_providers.py::test_unauthenticated_and_malformed_requests_are_refused",
    ),
    Fault(
        "a mail that cannot be read holds up the box",
        "email/imap.py",
        "        except BrokenMail as error:",
        "        except ZeroDivisionError as error:",
        "email/test_imap.py::test_an_unreadable_mail_is_flagged_and_does_not_block_others[pymap]",
    ),
    # -- Slack --
    Fault(
        "Slack's library sets the level of the whole agent's log",
        "slack/bolt.py",
        "            name=quiet.name,",
        '            name="agent",',
        "slack/test_bolt.py::test_slack_does_not_turn_off_what_the_agent_logs",
    ),
    Fault(
        "what Slack did not sign is taken",
        "slack/bolt.py",
        "            if not _is_signed(verifier, await request.body(), request):",
        "            if False:",
        "slack/test_bolt.py::"
        "test_a_request_without_a_recent_signature_of_slack_is_refused[0-headers0]",
    ),
    Fault(
        "people of other workspaces answer in Slack",
        "slack/answers.py",
        "        return teams == {(await self._slack.get_bot()).team}",
        "        return bool(teams)",
        "slack/test_answers.py::"
        "test_whoever_is_not_in_the_audience_is_told_so_and_changes_nothing"
        "[Approve and run-U1-T2-None]",
    ),
    Fault(
        "people of other workspaces are heard in Slack",
        "slack/messages.py",
        '        own = teams <= {bot.team, None} and body.get("team_id")',
        "        own = bool(teams)",
        "slack/test_messages.py::"
        "test_bots_edits_joins_and_other_workspaces_are_ignored[app_mention-changes6-outer6]",
    ),
    Fault(
        "bots are heard in Slack",
        "slack/messages.py",
        ' and not event.get("bot_id")',
        "",
        "slack/test_messages.py::"
        "test_bots_edits_joins_and_other_workspaces_are_ignored[message-changes0-outer0]",
    ),
    Fault(
        "a message in Slack is known by its event, not by its time",
        "slack/messages.py",
        '"delivery": f"slack:{channel}:{ts}"',
        '"delivery": f"slack:{body[\'event_id\']}"',
        "slack/test_messages.py::test_a_message_delivered_several_times_is_recorded_once",
    ),
    Fault(
        "all talk in a channel is heard",
        "slack/messages.py",
        '        starts = direct or event["type"] == "app_mention"\n',
        "        starts = True\n",
        "slack/test_messages.py::"
        "test_replies_in_the_slack_thread_continue_it_and_other_talk_is_ignored",
    ),
    Fault(
        "Slack hears yes before it is stored",
        "slack/bolt.py",
        "            process_before_response=True,\n",
        "            process_before_response=False,\n",
        "slack/test_bolt.py::"
        "test_an_event_that_was_not_recorded_is_recorded_when_slack_sends_it_again",
    ),
    Fault(
        "a form in Slack answers for who opened it",
        "slack/press.py",
        'cls(**origin | {"user": body["user"]["id"]}, shown=shown)',
        "cls(**origin, shown=shown)",
        "slack/test_forms.py::test_a_form_counts_for_whoever_submits_it[form]",
    ),
    Fault(
        "a model pings a channel of Slack",
        "slack/text.py",
        '.replace("<", "&lt;")',
        "",
        "slack/test_channel.py::"
        "test_nothing_in_a_message_notifies_anybody_or_forges_anything[log3]",
    ),
    Fault(
        "an argument ends the call that Slack shows",
        "slack/calls.py",
        '.replace("`", r"\\u0060")',
        "",
        "slack/test_calls.py::"
        "test_no_value_and_no_name_begins_a_line_ends_the_block_or_hides_a_character",
    ),
    Fault(
        "an argument begins a line of the call that Slack shows",
        "slack/calls.py",
        '"\\n".join(lines).replace(',
        '"\\n".join(lines).replace(r"\\n", "\\n").replace(',
        "slack/test_calls.py::test_the_exact_call_is_read_back_or_nobody_can_run_it",
    ),
    Fault(
        "Slack shows a value cut",
        "slack/calls.py",
        "if name in changed else ' '} {line}\"",
        "if name in changed else ' '} {line[:900]}\"",
        "slack/test_calls.py::test_the_exact_call_is_read_back_or_nobody_can_run_it",
    ),
    Fault(
        "a call that Slack does not show can be approved there",
        "slack/buttons.py",
        "    whole = not call or write_call_code(call) is not None\n",
        "    whole = True\n",
        "slack/test_calls.py::test_the_exact_call_is_read_back_or_nobody_can_run_it",
    ),
    Fault(
        "the title in Slack looks like a call",
        "slack/blocks.py",
        '    write = escape_line if "call" in data else escape\n',
        "    write = escape\n",
        "slack/test_calls.py::test_the_title_above_a_call_is_one_line_that_cannot_look_like_a_call",
    ),
    Fault(
        "a scope that Slack does not show can be approved there",
        "slack/buttons.py",
        '        if verdict == "approve" and write_scope_code(data):',
        '        if verdict == "approve" and data.get("standing"):',
        "slack/test_answers.py::test_a_scope_that_is_too_long_to_be_shown_cannot_be_approved",
    ),
    Fault(
        "an edit in Slack runs as another call than its final form",
        "slack/forms.py",
        '"call": preview.call}',
        '"call": before}',
        "slack/test_forms.py::test_an_edit_is_recorded_once_its_final_form_was_approved",
    ),
    Fault(
        "Slack hides the end of a call behind See more",
        "slack/sections.py",
        'section | {"expand": True} if whole else section',
        "section",
        "slack/test_calls.py::"
        "test_no_value_and_no_name_begins_a_line_ends_the_block_or_hides_a_character",
    ),
    Fault(
        "Slack reads plain text as mentions",
        "slack/sections.py",
        ', "verbatim": True',
        "",
        "slack/test_channel.py::"
        "test_nothing_in_a_message_notifies_anybody_or_forges_anything[log0]",
    ),
    Fault(
        "a crash has people told twice in Slack",
        "slack/posts.py",
        "            if await read_mark(slack, past) == mark:",
        "            if False:",
        "slack/test_channel.py::"
        "test_a_message_is_posted_once_despite_a_crash_or_a_lost_answer[200-False]",
    ),
    Fault(
        "a link is unfurled",
        "slack/posts.py",
        "        unfurl_links=False,",
        "        unfurl_links=True,",
        "slack/test_channel.py::"
        "test_nothing_in_a_message_notifies_anybody_or_forges_anything[log0]",
    ),
    Fault(
        "Slack's wish to slow down is not heard",
        "slack/client.py",
        "float(after) if after.isdecimal() else 30.0",
        "None",
        "slack/test_channel.py::"
        "test_an_error_of_slack_is_unavailable_and_retried[answer0-rate limit-7.0]",
    ),
    # -- who sees what, and what is kept --
    Fault(
        "a thread is read by whoever knows its id",
        "people/access.py",
        "if names is not None and (await list_readers(ports, thread)).isdisjoint(names):",
        "if False:",
        "http/test_access.py::test_a_thread_of_others_does_not_exist[GET-/threads/{thread_id}]",
    ),
    Fault(
        "a list has everybody's threads",
        "people/access.py",
        'return (person, *ports.directory.find_teams(person), "anyone")',
        "return None",
        "http/test_access.py::test_a_list_has_what_its_reader_may_read[GET-/threads]",
    ),
    Fault(
        "a stream goes on for who may not read any more",
        "http/stream.py",
        "            await check_reader(service.app.ports, thread, person)\n",
        "",
        "http/test_access.py::test_a_stream_ends_with_the_right_to_read",
    ),
    Fault(
        "may is not asked",
        "people/access.py",
        "    if outcome.output is not True:",
        "    if False:",
        "http/test_access.py::test_what_readers_may_do_can_be_narrowed[allowed0]",
    ),
    Fault(
        "a session goes on after signing out",
        "http/sessions.py",
        "    await service.app.ports.store.close_session(_hash(request.cookies[COOKIE]))\n",
        "",
        "http/test_pages.py::test_signing_out_takes_a_form_and_ends_it_wherever_the_cookie_is",
    ),
    Fault(
        "tokens may be guessed for ever",
        "http/sessions.py",
        "        service.tries.count(address)\n",
        "",
        "http/test_pages.py::test_after_ten_wrong_tokens_an_address_has_to_wait",
    ),
    Fault(
        "a deleted thread begins again under its id",
        "stores/sqlite/statements.py",
        "    WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE thread_id = :id)\n",
        "    WHERE true\n",
        f"{SQLITE}::test_nothing_is_left_of_a_deleted_thread_but_its_id",
    ),
    Fault(
        "a deletion takes a thread that grew",
        "stores/sqlite/statements.py",
        "    WHERE id = :id AND version = :version AND (holder IS NULL OR lease_until <= :now)\n",
        "    WHERE id = :id\n",
        f"{SQLITE}::test_a_thread_that_runs_or_grew_is_not_deleted",
    ),
    Fault(
        "a message of a deleted thread is taken again",
        "loop/deletion.py",
        "        if hash_delivery(key) in received:",
        "        if False:",
        "http/test_access.py::test_only_administrators_delete_threads",
    ),
    Fault(
        "people are notified of each thread that one cause stopped",
        "loop/advance.py",
        "    if cause and not await ports.store.claim_notice(cause, NOTICE_S, notice):",
        "    if False:",
        "loop/test_problems.py::test_one_notice_and_one_word_are_for_all_that_stopped",
    ),
    Fault(
        "a model that refuses is asked for ever",
        "loop/advance.py",
        "            except ModelRefused as error:\n",
        "            except ZeroDivisionError as error:\n",
        "loop/test_problems.py::test_what_waiting_does_not_mend_is_asked",
    ),
    Fault(
        "what an owner removes is stored",
        "redaction.py",
        "    if event.type in TYPES:",
        "    if False:",
        "test_build.py::test_what_an_owner_removes_is_never_stored",
    ),
    Fault(
        "a release is in the name of who gave it",
        "loop/clock.py",
        'due = make_event("resumed", "system", f"answer:{wait.seq}", **about)\n    elif wait and wait.exp',
        'due = make_event("resumed", by, f"answer:{wait.seq}", **about)\n    elif wait and wait.exp',
        "loop/test_problems.py"
        "::test_whoever_continues_the_threads_of_others_does_not_become_their_reader",
    ),
    Fault(
        "agents with one problem are continued together",
        "index.py",
        'sha256(f"{agent}\\n{problem}"',
        'sha256(f"{problem}"',
        "loop/test_problems.py::test_only_who_may_answer_a_wait_continues_it",
    ),
    Fault(
        "a release counts whoever gave it",
        "loop/clock.py",
        " and wait.admits(release.by)",
        "",
        "loop/test_problems.py"
        "::test_a_release_by_somebody_who_is_no_longer_responsible_does_not_count",
    ),
    Fault(
        "what waits is not redacted",
        "redaction.py",
        '"paused": ("text", "problem", "error"), ',
        "",
        "test_build.py::test_texts_of_waits_and_problems_are_redacted_too",
    ),
    Fault(
        "a text is cut before it is redacted",
        "log/events.py",
        "    return Event(event_type, safe, make_safe(actor), make_safe(key))",
        "    return cap_event(Event(event_type, safe, make_safe(actor), make_safe(key)))",
        "test_build.py::test_what_is_cut_is_redacted_before",
    ),
    Fault(
        "a long event is stored whole",
        "stores/lists.py",
        "replace(cap_event(event), seq=seq)",
        "replace(event, seq=seq)",
        f"{MEMORY}::test_what_is_too_long_is_stored_cut",
    ),
    Fault(
        "a stream outlives the session",
        "http/stream.py",
        "(check and not await check())",
        "False",
        "inbox/test_access.py::test_a_stream_ends_with_the_session",
    ),
    Fault(
        "readers that another process wrote stay",
        "stores/lists.py",
        "        return self._known.get(thread.id) == (thread.state.version, readers)",
        '        return self._known.get(thread.id, (0, ""))[1] == readers',
        "stores/test_sqlite.py::test_readers_are_written_after_another_process_wrote_others",
    ),
    Fault(
        "an old version of a thread decides who reads it",
        "stores/sqlite/__init__.py",
        "            if found != (thread.state.version,):",
        "            if False:",
        f"{SQLITE}::test_readers_of_a_thread_that_grew_meanwhile_are_not_written",
    ),
    Fault(
        "a deletion cancels what was answered",
        "loop/deletion.py",
        "            if newest.state.wait is None or newest.state.wait.seq != wait.seq:",
        "            if False:",
        "cli/test_forget.py::test_a_thread_that_was_answered_meanwhile_is_not_cancelled",
    ),
    Fault(
        "everybody learns that a thread was deleted",
        "http/service.py",
        "        if ports.directory.is_admin(person):",
        "        if True:",
        "http/test_access.py::test_only_administrators_learn_that_a_thread_was_deleted",
    ),
    Fault(
        "the database is for everybody on the machine",
        "stores/sqlite/schema.py",
        "os.O_CREAT | os.O_RDWR, 0o600",
        "os.O_CREAT | os.O_RDWR, 0o644",
        "stores/test_sqlite.py::test_only_the_owner_of_the_process_may_read_the_files",
    ),
    Fault(
        "metrics are for everybody",
        "http/metrics.py",
        "    if given is None or not compare_digest(",
        "    if False and not compare_digest(",
        "http/test_metrics.py::test_only_the_token_of_the_setting_opens_it",
    ),
    Fault(
        "what people search for is logged",
        "cli/logs.py",
        'target.partition("?")[0]',
        "target",
        "cli/test_logs.py::test_what_people_search_for_is_not_logged",
    ),
    Fault(
        "cached tokens are paid in full",
        "costs.py",
        '_read(tokens, "input") - cached - written',
        '_read(tokens, "input")',
        "test_prices.py::test_each_kind_of_token_has_its_price[tokens3-0.1]",
    ),
    Fault(
        "a limit of cost is not looked at",
        "log/state.py",
        '    names = ("errors", "steps", "tokens", "cost")',
        '    names = ("errors", "steps", "tokens")',
        "loop/test_advance.py::test_a_request_that_costs_too_much_asks",
    ),
    Fault(
        "a fork costs again what its origin did",
        "stores/memory.py",
        "            for event in events[forked:]:",
        "            for event in events:",
        f"{MEMORY}::test_the_tokens_of_model_calls_are_summed_up",
    ),
    Fault(
        "a model that the workers do not use is taken",
        "cli/run.py",
        "        if model and worker.models.get(agent.name) != model:",
        "        if False:",
        "cli/test_commands.py"
        "::test_other_processes_are_named_and_their_model_is_the_one_that_decides",
    ),
    Fault(
        "many that stopped hide the others",
        "people/waiting.py",
        "Which(names, stopped=False), limit)]",
        "Which(names), limit)]",
        "loop/test_problems.py::test_a_thousand_threads_that_stopped_hide_no_question",
    ),
    Fault(
        "a value breaks the row of its table",
        "context/values.py",
        "odd or (plain and not plain.fullmatch(value))",
        "odd",
        "context/test_values.py::test_no_cell_breaks_its_row[a,b]",
    ),
    Fault(
        "a text reads as a number",
        "context/values.py",
        "return as_json(value) if odd or",
        "return as_json(value) if not isinstance(value, str) or",
        "context/test_values.py::test_text_that_could_be_something_else_is_quoted[12]",
    ),
    Fault(
        "records that differ are one table",
        "context/values.py",
        "return flat and item.keys() == first.keys()",
        "return flat and item.keys() >= first.keys()",
        "context/test_values.py::test_each_shape_has_its_form[a record with more]",
    ),
    Fault(
        "a list is cut inside a record",
        "context/values.py",
        "    if first + last >= len(rows):",
        "    if True:",
        "context/test_blocks.py"
        "::test_a_long_list_is_cut_between_records_with_their_number[alone-deep records]",
    ),
    Fault(
        "several long lists are cut as one text",
        "context/blocks.py",
        "_is_long(body, limit) and room > 100",
        "False",
        "context/test_blocks.py::test_several_long_lists_share_a_block",
    ),
    Fault(
        "what a provider counts corrects no estimate",
        "context/window.py",
        "                self.rate = rate\n",
        "                pass\n",
        "context/test_window.py::test_estimates_follow_what_the_provider_counts",
    ),
    Fault(
        "a provider that counts something else is believed",
        "context/window.py",
        "if grown >= LEARN_FROM and LEAST_RATE < rate < MOST_RATE:",
        "if grown >= LEARN_FROM:",
        "context/test_window.py"
        "::test_a_provider_that_counts_something_else_corrects_no_estimate[too few]",
    ),
    Fault(
        "hexadecimal ids are taken for prose",
        "tokens.py",
        "|[A-Z]{1,3}|[0-9]{1,3}|",
        "|[A-Z]{1,3}|[a-z0-9]{1,8}|",
        "test_tokens.py::test_an_estimate_is_near_what_is_counted[hexadecimal ids]",
    ),
    Fault(
        "a summary is cut at a tenth",
        "loop/compaction.py",
        "SHARE = 4\n",
        "SHARE = 10\n",
        "loop/test_compaction.py::test_a_long_summary_is_kept_whole",
    ),
    Fault(
        "what people said is only in the summary",
        "loop/compaction.py",
        "text=text, verbatim=words, **cost",
        "text=text, verbatim=0, **cost",
        "loop/test_compaction.py::test_what_people_said_stays_word_for_word_behind_every_summary",
    ),
    Fault(
        "a message that the owner left out is quoted beside a summary",
        "context/rendering.py",
        " and not (render and render(event, thread) is not None)",
        "",
        "loop/test_compaction.py::test_words_that_the_owner_renders_are_not_repeated",
    ),
    Fault(
        "a machine's messages are quoted as those of people",
        "context/rendering.py",
        "        if is_person(event.actor) and",
        "        if event.actor and",
        "loop/test_compaction.py::test_what_people_said_stays_word_for_word_behind_every_summary",
    ),
    Fault(
        "the system prompt is filled in anew for each run",
        "loop/advance.py",
        "any(find_values(past) is not None for past in thread.events):",
        "find_values(thread.events[-1]) is not None:",
        "loop/test_advance.py::test_the_system_prompt_is_filled_in_once_for_a_thread",
    ),
    Fault(
        "a value without a marker is ignored",
        "loop/advance.py",
        "    if unused := agent.prompts.find_unused(values):",
        "    if unused := agent.prompts.find_unused({}):",
        "loop/test_advance.py"
        "::test_a_prompt_that_cannot_be_filled_in_is_a_problem_and_not_sent[an unknown name]",
    ),
    Fault(
        "a message fills in the system prompt",
        "context/window.py",
        'event.type == "message" and event.actor == "system"',
        'event.type == "message"',
        "context/test_window.py"
        "::test_values_take_the_place_of_their_markers_once_and_nothing_else_does",
    ),
]
