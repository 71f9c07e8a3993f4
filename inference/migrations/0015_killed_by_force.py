"""A person may end a task by force, whoever has it: `killed` also of one that was claimed and has not begun, and the
worker that has it is told on `task_cancelled`, also when it was asked to stop before.

Both functions are those of migration 0002, with that added.
"""

from django.db import migrations

_GUARD_TASK = """
CREATE OR REPLACE FUNCTION inference_guard_task() RETURNS trigger LANGUAGE plpgsql AS $$
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
        ('running', 'killed')<more>
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
"""

_ANNOUNCE_TASK = """
CREATE OR REPLACE FUNCTION inference_announce_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.status IS DISTINCT FROM OLD.status THEN
        IF NEW.status = 'queued' THEN
            PERFORM pg_notify('task_queued', '');
        ELSIF NEW.status IN ('success', 'failed', 'cancelled', 'killed') THEN
            PERFORM pg_notify('task_ended', NEW.id::text);
        END IF;
        PERFORM pg_notify('task_changed', NEW.id::text);
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.cancel_requested_at IS NULL AND NEW.cancel_requested_at IS NOT NULL<more>) THEN
        PERFORM pg_notify('task_cancelled', NEW.id::text);
    END IF;
    RETURN NULL;
END $$;
"""

_KILLED = """
        OR NEW.status = 'killed' AND OLD.status <> 'killed'"""


def _replace(function: str, more: str) -> migrations.RunSQL:
    return migrations.RunSQL(function.replace("<more>", more), reverse_sql=function.replace("<more>", ""))


class Migration(migrations.Migration):
    dependencies = [("inference", "0014_first_status")]

    operations = [
        _replace(_GUARD_TASK, ", ('allocated', 'killed')"),
        _replace(_ANNOUNCE_TASK, _KILLED),
    ]
