"""What the database itself promises about tasks: legal transitions, frozen ends, wake-ups, and the claim.

Channels (payload):
  task_queued ('')        a task may be claimed: pushers wake a worker
  task_changed (task id)  a status changed or a step was written: pages and event streams look again
  task_ended (task id)    held answers (`?wait=`) are given
  task_cancelled (task id) the worker that has it stops it
"""

from django.db import migrations

GUARD_TASK = """
CREATE FUNCTION inference_guard_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status IN ('success', 'failed', 'cancelled', 'killed') THEN
        -- What happened is history; result, notes, review and deletion stay possible.
        IF (NEW.status, NEW.error, NEW.completed_at, NEW.started_at, NEW.allocated_at, NEW.created_at,
            NEW.input_parameters, NEW.secure_parameters, NEW.unique_parameter_names, NEW.dedup_key, NEW.dedup_hash)
           IS DISTINCT FROM
           (OLD.status, OLD.error, OLD.completed_at, OLD.started_at, OLD.allocated_at, OLD.created_at,
            OLD.input_parameters, OLD.secure_parameters, OLD.unique_parameter_names, OLD.dedup_key, OLD.dedup_hash)
        THEN
            RAISE EXCEPTION 'task % has ended and is frozen', OLD.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'task_frozen_once_ended';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status IS DISTINCT FROM OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('queued', 'allocated'), ('queued', 'cancelled'),
        ('allocated', 'running'), ('allocated', 'queued'), ('allocated', 'cancelled'),
        ('running', 'queued'), ('running', 'success'), ('running', 'failed'), ('running', 'cancelled'),
        ('running', 'killed')
    ) THEN
        RAISE EXCEPTION 'task % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'task_transition_is_legal';
    END IF;
    IF NEW.lease_token < OLD.lease_token THEN
        RAISE EXCEPTION 'the fencing token of task % cannot fall', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'task_lease_token_only_grows';
    END IF;
    -- Slots are given back in the same transaction as the status, whoever ends, requeues or rescues it.
    IF OLD.status IN ('allocated', 'running') AND NEW.status NOT IN ('allocated', 'running') THEN
        IF cardinality(OLD.held_slots) > 0 THEN
            PERFORM 1 FROM inference_concurrencyslot WHERE key = ANY(OLD.held_slots) ORDER BY key FOR UPDATE;
            UPDATE inference_concurrencyslot SET running = running - 1 WHERE key = ANY(OLD.held_slots);
            NEW.held_slots := '{}';
            PERFORM pg_notify('task_queued', '');
        END IF;
        NEW.lease_owner := NULL;
        NEW.lease_expires_at := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inference_task_guard BEFORE UPDATE ON inference_task
    FOR EACH ROW EXECUTE FUNCTION inference_guard_task();
"""

ANNOUNCE_TASK = """
CREATE FUNCTION inference_announce_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.status IS DISTINCT FROM OLD.status THEN
        IF NEW.status = 'queued' THEN
            PERFORM pg_notify('task_queued', '');
        ELSIF NEW.status IN ('success', 'failed', 'cancelled', 'killed') THEN
            PERFORM pg_notify('task_ended', NEW.id::text);
        END IF;
        PERFORM pg_notify('task_changed', NEW.id::text);
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.cancel_requested_at IS NULL AND NEW.cancel_requested_at IS NOT NULL THEN
        PERFORM pg_notify('task_cancelled', NEW.id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inference_task_announce AFTER INSERT OR UPDATE ON inference_task
    FOR EACH ROW EXECUTE FUNCTION inference_announce_task();
"""

ANNOUNCE_STEP = """
CREATE FUNCTION inference_announce_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('task_changed', NEW.task_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER inference_step_announce AFTER INSERT OR UPDATE ON inference_step
    FOR EACH ROW EXECUTE FUNCTION inference_announce_step();
"""

APPEND_ONLY = """
CREATE FUNCTION inference_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_is_append_only';
END $$;
CREATE TRIGGER inference_version_immutable BEFORE UPDATE ON inference_automationversion
    FOR EACH ROW EXECUTE FUNCTION inference_refuse_change();
CREATE TRIGGER inference_task_event_append_only BEFORE UPDATE ON inference_taskevent
    FOR EACH ROW EXECUTE FUNCTION inference_refuse_change();
CREATE TRIGGER inference_audit_event_append_only BEFORE UPDATE OR DELETE ON inference_auditevent
    FOR EACH ROW EXECUTE FUNCTION inference_refuse_change();
"""

CLAIM_TASK = """
-- The best eligible task becomes `allocated` to p_owner for p_lease_seconds; no row when there is none.
-- Eligible: queued, its time has come, and the limits of its automation and its login leave room. An operator's
-- limit wins over the request's. The rows of the limits are locked one after the other in the order of their
-- keys, and skipped when another claim holds them: counting inside a statement that skips locked rows overshoots.
CREATE FUNCTION inference_claim_task(p_owner text, p_host text, p_lease_seconds double precision)
RETURNS TABLE (claimed_id uuid, claimed_token bigint, claimed_name text, claimed_minutes integer, more boolean)
LANGUAGE plpgsql AS $$
DECLARE
    passed uuid[] := '{}';
    candidate record;
    wanted text[];
    free boolean;
    slot_key text;
    slot_limit integer;
    slot_running integer;
BEGIN
    -- A claim need not wait for the disk. If a crash loses it, the task is still queued, and the start that follows
    -- (which does wait) finds no such lease. A later durable commit makes this one durable, too.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        SELECT t.id, t.automation_id, t.dedup_hash, t.endpoint_name, t.max_timeout_in_minutes,
               COALESCE(a.max_parallelism, t.max_parallelism) AS whole_limit,
               COALESCE(a.per_login_parallelism, t.per_login_parallelism,
                        CASE WHEN t.is_dedicated THEN 1 END) AS login_limit
        INTO candidate
        FROM inference_task t
        JOIN inference_automation a ON a.id = t.automation_id
        WHERE t.status = 'queued' AND t.available_at <= statement_timestamp() AND t.id <> ALL (passed)
          AND NOT EXISTS (
              SELECT 1 FROM inference_concurrencyslot s
              WHERE (s.key = 'automation:' || t.automation_id
                     AND s.running >= COALESCE(a.max_parallelism, t.max_parallelism))
                 OR (s.key = 'login:' || t.automation_id || ':' || left(t.dedup_hash, 40)
                     AND s.running >= COALESCE(a.per_login_parallelism, t.per_login_parallelism,
                                               CASE WHEN t.is_dedicated THEN 1 END)))
        ORDER BY t.priority, t.created_at, t.id
        LIMIT 1
        FOR UPDATE OF t SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;

        wanted := '{}';
        IF candidate.whole_limit IS NOT NULL THEN
            wanted := wanted || ('automation:' || candidate.automation_id);
        END IF;
        IF candidate.login_limit IS NOT NULL THEN
            wanted := wanted || ('login:' || candidate.automation_id || ':' || left(candidate.dedup_hash, 40));
        END IF;
        free := true;
        FOREACH slot_key IN ARRAY wanted LOOP
            slot_limit := CASE WHEN slot_key LIKE 'automation:%' THEN candidate.whole_limit
                               ELSE candidate.login_limit END;
            INSERT INTO inference_concurrencyslot (key, running) VALUES (slot_key, 0) ON CONFLICT DO NOTHING;
            SELECT s.running INTO slot_running FROM inference_concurrencyslot s
            WHERE s.key = slot_key FOR UPDATE SKIP LOCKED;
            IF NOT FOUND OR slot_running >= slot_limit THEN
                free := false;
                EXIT;
            END IF;
        END LOOP;
        IF NOT free THEN
            passed := passed || candidate.id;
            CONTINUE;
        END IF;
        UPDATE inference_concurrencyslot SET running = running + 1 WHERE key = ANY (wanted);

        UPDATE inference_task t
        SET status = 'allocated',
            allocated_at = GREATEST(statement_timestamp(), t.created_at),
            lease_owner = p_owner,
            lease_token = t.lease_token + 1,
            lease_expires_at = statement_timestamp() + make_interval(secs => p_lease_seconds),
            held_slots = wanted
        WHERE t.id = candidate.id
        RETURNING t.id, t.lease_token, t.endpoint_name::text, t.max_timeout_in_minutes
        INTO claimed_id, claimed_token, claimed_name, claimed_minutes;
        INSERT INTO inference_attempt (task_id, number, token, host, worker, cause)
        SELECT claimed_id, COALESCE(max(number), 0) + 1, claimed_token, p_host, p_owner, ''
        FROM inference_attempt WHERE task_id = claimed_id;
        INSERT INTO inference_taskevent (task_id, kind, status, cause, data)
        VALUES (claimed_id, 'status', 'allocated', jsonb_build_object('kind', 'worker', 'id', p_owner), '{}');
        more := EXISTS (SELECT 1 FROM inference_task t
                        WHERE t.status = 'queued' AND t.available_at <= statement_timestamp());
        RETURN NEXT;
        RETURN;
    END LOOP;
END $$;
"""


def create(sql: str, drop: str) -> migrations.RunSQL:
    return migrations.RunSQL(sql, reverse_sql=drop)


class Migration(migrations.Migration):
    dependencies = [("inference", "0001_initial")]

    operations = [
        create(GUARD_TASK, "DROP FUNCTION inference_guard_task CASCADE"),
        create(ANNOUNCE_TASK, "DROP FUNCTION inference_announce_task CASCADE"),
        create(ANNOUNCE_STEP, "DROP FUNCTION inference_announce_step CASCADE"),
        create(APPEND_ONLY, "DROP FUNCTION inference_refuse_change CASCADE"),
        create(CLAIM_TASK, "DROP FUNCTION inference_claim_task"),
    ]
