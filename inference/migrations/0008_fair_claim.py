"""The claim, shared between keys: weighted, within limits, past what is paused, at a cost that waiting tasks do not
raise.

Tasks that wait for exactly the same things stand in one line (QueueLine). A claim

 1. lines up tasks whose retry pause is over,
 2. takes the sharers that have lines in the order of their virtual time (QueueShare: start-time fair queueing),
 3. of the first that may start something: of each automation that is not paused and below its limit, the lines in the
    order of their first task, past those whose login is paused or at its limit, and so the best task,
 4. locks the task, then the rows of its limits (passed when another claim holds them: counting inside a statement
    that skips locked rows overshoots), and writes,
 5. notes the share, and sets lines right that were looked at in vain.

It reads a few rows per sharer, automation and full login of whoever comes before, never the tasks behind them.

Locks, in this order, so that nobody waits in a circle: the turn, task, limits by key, share; and lines, for which only
tasks that begin to wait ever wait. Tasks, limits and lines that another holds are passed.
"""

from importlib import import_module

from django.db import migrations

FIRST_CLAIM: str = import_module("inference.migrations.0002_queue_functions_and_guards").CLAIM_TASK

# Whoever makes a task wait (submission, requeue, end of a pause) locks its line against being set right until the
# transaction ends, so `best_*` is never behind a task of the line.
LINE_UP = """
CREATE FUNCTION inference_line_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    task_rank bigint := COALESCE(NEW.priority::bigint, 2147483648);
    own_limit integer := COALESCE(NEW.max_parallelism, 0);
    own_login text := CASE WHEN NEW.is_dedicated THEN NEW.dedup_hash ELSE '' END;
    own_login_limit integer := CASE WHEN NEW.is_dedicated THEN COALESCE(NEW.per_login_parallelism, 1) ELSE 0 END;
    line record;
BEGIN
    IF COALESCE(NEW.sharer, '') = '' THEN
        NEW.sharer := CASE WHEN NEW.api_key_id IS NULL THEN 'anonymous' ELSE 'key:' || NEW.api_key_id END;
    END IF;
    NEW.is_delayed := NEW.status = 'queued' AND NEW.available_at > statement_timestamp();
    IF NEW.status <> 'queued' OR NEW.is_delayed THEN
        RETURN NEW;
    END IF;
    LOOP
        SELECT l.id, l.best_rank, l.best_created_at INTO line
        FROM inference_queueline l
        WHERE l.sharer = NEW.sharer AND l.automation_id = NEW.automation_id AND l.max_parallelism = own_limit
          AND l.login = own_login AND l.per_login_parallelism = own_login_limit
        FOR KEY SHARE;
        IF FOUND THEN
            IF (line.best_rank, line.best_created_at) > (task_rank, NEW.created_at) THEN
                UPDATE inference_queueline l SET best_rank = task_rank, best_created_at = NEW.created_at
                WHERE l.id = line.id AND (l.best_rank, l.best_created_at) > (task_rank, NEW.created_at);
            END IF;
            NEW.line_id := line.id;
            RETURN NEW;
        END IF;
        INSERT INTO inference_queueline (sharer, automation_id, max_parallelism, login, per_login_parallelism,
                                         best_rank, best_created_at)
        VALUES (NEW.sharer, NEW.automation_id, own_limit, own_login, own_login_limit, task_rank, NEW.created_at)
        ON CONFLICT DO NOTHING RETURNING id INTO NEW.line_id;
        IF FOUND THEN
            RETURN NEW;
        END IF;
    END LOOP;
END $$;
CREATE TRIGGER inference_task_line_up BEFORE INSERT ON inference_task
    FOR EACH ROW EXECUTE FUNCTION inference_line_up();
-- After the guard of 0002, by its name.
CREATE TRIGGER inference_task_line_up_again BEFORE UPDATE ON inference_task
    FOR EACH ROW WHEN (NEW.status = 'queued') EXECUTE FUNCTION inference_line_up();
"""

SET_LINES_RIGHT = """
-- Lines whose note is before their first task get the right one; empty lines go. A line that somebody is adding a
-- task to, or that another claim sets right, is left alone.
CREATE FUNCTION inference_set_lines_right(p_lines bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    line record;
    first_one record;
BEGIN
    FOR line IN SELECT l.id, l.best_rank, l.best_created_at FROM inference_queueline l
                WHERE l.id = ANY (p_lines) ORDER BY l.id FOR UPDATE SKIP LOCKED
    LOOP
        -- A statement of its own, so that it sees what was committed before the lock.
        SELECT COALESCE(t.priority::bigint, 2147483648) AS rank, t.created_at INTO first_one
        FROM inference_task t
        WHERE t.line_id = line.id AND t.status = 'queued' AND NOT t.is_delayed
        ORDER BY t.priority, t.created_at, t.id LIMIT 1;
        IF NOT FOUND THEN
            DELETE FROM inference_queueline WHERE id = line.id;
        ELSIF (first_one.rank, first_one.created_at) <> (line.best_rank, line.best_created_at) THEN
            UPDATE inference_queueline SET best_rank = first_one.rank, best_created_at = first_one.created_at
            WHERE id = line.id;
        END IF;
    END LOOP;
END $$;
"""

FIRST_OF_SHARER = """
-- The task of p_sharer that is to start next, without locking it; null when none may. Not those of p_tasks, p_lines
-- and p_automations, which the claim has tried. `stale`: lines to be set right.
CREATE FUNCTION inference_first_of_sharer(
    p_sharer text, p_tasks uuid[], p_lines bigint[], p_automations bigint[],
    OUT task_id uuid, OUT line_id bigint, OUT automation_id bigint, OUT has_login_line boolean, OUT stale bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    entrance record;
    line record;
    head record;
    found_rank bigint;
    found_created_at timestamptz;
BEGIN
    stale := '{}';
    FOR entrance IN
        WITH RECURSIVE waiting (automation_id, max_parallelism) AS (
            (SELECT l.automation_id, l.max_parallelism FROM inference_queueline l
             WHERE l.sharer = p_sharer ORDER BY l.automation_id, l.max_parallelism LIMIT 1)
            UNION ALL
            SELECT n.automation_id, n.max_parallelism FROM waiting w CROSS JOIN LATERAL (
                SELECT l.automation_id, l.max_parallelism FROM inference_queueline l
                WHERE l.sharer = p_sharer
                  AND (l.automation_id, l.max_parallelism) > (w.automation_id, w.max_parallelism)
                ORDER BY l.automation_id, l.max_parallelism LIMIT 1) n)
        SELECT e.automation_id, e.max_parallelism, e.login_limit
        FROM (SELECT w.*, a.per_login_parallelism AS login_limit, 'automation:' || w.automation_id AS key,
                     COALESCE(a.max_parallelism, NULLIF(w.max_parallelism, 0)) AS whole_limit
              FROM waiting w JOIN inference_automation a ON a.id = w.automation_id) e
        WHERE e.automation_id <> ALL (p_automations)
          AND NOT EXISTS (SELECT FROM inference_queuepause p WHERE p.key = e.key)
          AND (e.whole_limit IS NULL OR e.whole_limit >
               COALESCE((SELECT s.running FROM inference_concurrencyslot s WHERE s.key = e.key), 0)
               -- Those that run without having had to ask for a place.
               + (SELECT count(*) FROM (
                  SELECT FROM inference_task t
                  WHERE t.automation_id = e.automation_id AND t.status IN ('allocated', 'running')
                    AND e.key <> ALL (t.held_slots)
                  ORDER BY t.allocated_at) without_place))
    LOOP
        FOR line IN
            SELECT l.id, l.login, l.best_rank, l.best_created_at FROM inference_queueline l
            WHERE l.sharer = p_sharer AND l.automation_id = entrance.automation_id
              AND l.max_parallelism = entrance.max_parallelism AND l.id <> ALL (p_lines)
              AND (l.login = '' OR (
                  NOT EXISTS (SELECT FROM inference_queuepause p
                              WHERE p.key = 'login:' || l.automation_id || ':' || left(l.login, 40))
                  AND COALESCE(entrance.login_limit, l.per_login_parallelism) >
                      COALESCE((SELECT s.running FROM inference_concurrencyslot s
                                WHERE s.key = 'login:' || l.automation_id || ':' || left(l.login, 40)), 0)
                      -- An ordinary task of the same login may run without a place. There is one at most, found by its
                      -- dedup key: between, not equal, because what is equal needs no order and so any index would do.
                      + (SELECT count(*) FROM (
                         SELECT FROM inference_task t
                         WHERE t.automation_id = l.automation_id AND t.dedup_hash BETWEEN l.login AND l.login
                           AND NOT t.is_dedicated
                           AND t.status IN ('queued', 'allocated', 'running') AND t.status <> 'queued'
                           AND 'login:' || l.automation_id || ':' || left(l.login, 40) <> ALL (t.held_slots)
                         ORDER BY t.dedup_hash) ordinary)))
            ORDER BY l.best_rank, l.best_created_at
        LOOP
            EXIT WHEN (line.best_rank, line.best_created_at) > (found_rank, found_created_at);
            IF line.login = '' THEN
                -- Each of these has a login of its own; where dedicated tasks fill that or it is paused, it waits.
                SELECT t.id, COALESCE(t.priority::bigint, 2147483648) AS rank, t.created_at INTO head
                FROM inference_task t
                WHERE t.line_id = line.id AND t.status = 'queued' AND NOT t.is_delayed AND t.id <> ALL (p_tasks)
                  AND NOT EXISTS (
                      SELECT FROM inference_queuepause p
                      WHERE p.key = 'login:' || t.automation_id || ':' || left(t.dedup_hash, 40))
                  AND NOT EXISTS (
                      SELECT FROM inference_concurrencyslot s
                      WHERE s.key = 'login:' || t.automation_id || ':' || left(t.dedup_hash, 40)
                        AND s.running >= COALESCE(entrance.login_limit, t.per_login_parallelism))
                ORDER BY t.priority, t.created_at, t.id LIMIT 1;
            ELSE
                SELECT t.id, COALESCE(t.priority::bigint, 2147483648) AS rank, t.created_at INTO head
                FROM inference_task t
                WHERE t.line_id = line.id AND t.status = 'queued' AND NOT t.is_delayed AND t.id <> ALL (p_tasks)
                ORDER BY t.priority, t.created_at, t.id LIMIT 1;
            END IF;
            IF head.id IS NULL OR (head.rank, head.created_at) <> (line.best_rank, line.best_created_at) THEN
                stale := stale || line.id;
            END IF;
            IF head.id IS NOT NULL
               AND (task_id IS NULL OR (head.rank, head.created_at, head.id) < (found_rank, found_created_at, task_id))
            THEN
                task_id := head.id;
                line_id := line.id;
                automation_id := entrance.automation_id;
                has_login_line := line.login <> '';
                found_rank := head.rank;
                found_created_at := head.created_at;
            END IF;
        END LOOP;
    END LOOP;
    -- The line that is taken from is first again next time, whatever its note says.
    stale := array_remove(stale, line_id);
END $$;
"""

SHARERS_IN_ORDER = """
-- Who has tasks in lines, in the order in which they are served: those first whose virtual time is least. The present
-- is the start of the newest task of all; nobody begins before it, so who had nothing to start has saved nothing up.
CREATE FUNCTION inference_sharers_in_order(
    OUT present double precision, OUT sharers text[], OUT weights smallint[])
LANGUAGE plpgsql AS $$
BEGIN
    present := COALESCE((SELECT max(s.started) FROM inference_queueshare s), 0);
    WITH RECURSIVE waiting (sharer) AS (
        (SELECT l.sharer FROM inference_queueline l ORDER BY l.sharer LIMIT 1)
        UNION ALL
        SELECT n.sharer FROM waiting w CROSS JOIN LATERAL (
            SELECT l.sharer FROM inference_queueline l WHERE l.sharer > w.sharer ORDER BY l.sharer LIMIT 1) n)
    SELECT array_agg(o.sharer), array_agg(o.weight) INTO sharers, weights
    FROM (SELECT w.sharer, COALESCE(k.weight, 1::smallint) AS weight
          FROM waiting w
          LEFT JOIN inference_queueshare s ON s.sharer = w.sharer
          LEFT JOIN inference_apikey k ON k.id = CASE WHEN w.sharer LIKE 'key:%' THEN substr(w.sharer, 5)::bigint END
          ORDER BY GREATEST(s.finished, present), w.sharer) o;
END $$;
"""

TAKE_PLACES = """
-- Lock a waiting task, and a place under each of its limits, in the order of their keys. `outcome`: taken; gone
-- (another claim has it); or what keeps it, full or busy (another claim decides about it), automation or login.
CREATE FUNCTION inference_take_places(p_task uuid, OUT outcome text, OUT places text[]) LANGUAGE plpgsql AS $$
DECLARE
    task record;
    place text;
    place_limit integer;
    taken integer;
BEGIN
    places := '{}';
    SELECT t.id, t.automation_id, t.dedup_hash,
           'automation:' || t.automation_id AS whole_key,
           'login:' || t.automation_id || ':' || left(t.dedup_hash, 40) AS login_key,
           COALESCE(a.max_parallelism, t.max_parallelism) AS whole_limit,
           COALESCE(a.per_login_parallelism, t.per_login_parallelism,
                    CASE WHEN t.is_dedicated THEN 1 END) AS login_limit
    INTO task
    FROM inference_task t JOIN inference_automation a ON a.id = t.automation_id
    WHERE t.id = p_task AND t.status = 'queued' AND NOT t.is_delayed
    FOR UPDATE OF t SKIP LOCKED;
    IF NOT FOUND THEN
        outcome := 'gone';
        RETURN;
    END IF;
    FOREACH place IN ARRAY ARRAY[task.whole_key, task.login_key] LOOP
        place_limit := CASE WHEN place = task.whole_key THEN task.whole_limit ELSE task.login_limit END;
        CONTINUE WHEN place_limit IS NULL;
        INSERT INTO inference_concurrencyslot (key, running) VALUES (place, 0) ON CONFLICT DO NOTHING;
        SELECT s.running INTO taken FROM inference_concurrencyslot s WHERE s.key = place FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            outcome := 'busy ' || split_part(place, ':', 1);
            RETURN;
        END IF;
        -- And those that run without having had to ask for a place.
        taken := taken + (SELECT count(*) FROM (
            SELECT FROM inference_task t
            WHERE t.automation_id = task.automation_id AND t.status IN ('allocated', 'running')
              AND place <> ALL (t.held_slots) AND (place = task.whole_key OR t.dedup_hash = task.dedup_hash)
            ORDER BY t.allocated_at) without_place);
        IF taken >= place_limit THEN
            outcome := 'full ' || split_part(place, ':', 1);
            RETURN;
        END IF;
        places := places || place;
    END LOOP;
    outcome := 'taken';
END $$;
"""

CLAIM_TASK = """
-- The best eligible task becomes `allocated` to p_owner for p_lease_seconds; no row when there is none. A row without
-- a task: another claim decided about a limit, so another look may find something at once.
-- Plans are made once and must hold while the tables grow, before anybody has analyzed them. So here and in what is
-- called from here each statement asks for an order that the index that it is meant to use has, and no other one.
CREATE FUNCTION inference_claim_task(p_owner text, p_host text, p_lease_seconds double precision)
RETURNS TABLE (claimed_id uuid, claimed_token bigint, claimed_name text, claimed_minutes integer, more boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    shares record;
    served text;
    weight integer;
    first record;
    taken record;
    passed_tasks uuid[] := '{}';
    passed_lines bigint[] := '{}';
    passed_automations bigint[] := '{}';
    stale bigint[] := '{}';
    is_taken boolean := false;
    claimed_at timestamptz;
BEGIN
    -- A claim need not wait for the disk. If a crash loses it, the task is still queued, and the start that follows
    -- (which does wait) finds no such lease. A later durable commit makes this one durable, too.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF EXISTS (SELECT FROM inference_queuepause p WHERE p.key = 'queue') THEN
        RETURN;
    END IF;
    IF statement_timestamp() >= (SELECT t.available_at FROM inference_task t
                                 WHERE t.status = 'queued' AND t.is_delayed ORDER BY t.available_at LIMIT 1) THEN
        UPDATE inference_task SET is_delayed = false
        WHERE id = ANY (ARRAY (
            SELECT t.id FROM inference_task t
            WHERE t.status = 'queued' AND t.is_delayed AND t.available_at <= statement_timestamp()
            ORDER BY t.available_at LIMIT 20 FOR UPDATE SKIP LOCKED));
    END IF;

    SELECT * INTO shares FROM inference_sharers_in_order();
    IF cardinality(shares.sharers) > 1 THEN
        -- Claims that see the same shares would all serve the same sharer, so where there are several, claims that
        -- have something to start come one by one ("clai" in ASCII). Those that have not, wait for nobody.
        IF NOT pg_try_advisory_xact_lock(1668047209) THEN
            FOR turn IN 1 .. cardinality(shares.sharers) LOOP
                SELECT * INTO first FROM inference_first_of_sharer(shares.sharers[turn], '{}', '{}', '{}');
                EXIT WHEN first.task_id IS NOT NULL;
            END LOOP;
            IF first.task_id IS NULL THEN
                RETURN;
            END IF;
            PERFORM pg_advisory_xact_lock(1668047209);
        END IF;
        SELECT * INTO shares FROM inference_sharers_in_order();
    END IF;

    more := false;
    FOR turn IN 1 .. COALESCE(cardinality(shares.sharers), 0) LOOP
        LOOP
            SELECT * INTO first
            FROM inference_first_of_sharer(shares.sharers[turn], passed_tasks, passed_lines, passed_automations);
            stale := stale || first.stale;
            EXIT WHEN first.task_id IS NULL;
            SELECT * INTO taken FROM inference_take_places(first.task_id);
            IF taken.outcome = 'taken' THEN
                is_taken := true;
                served := shares.sharers[turn];
                weight := shares.weights[turn];
                EXIT;
            END IF;
            more := more OR taken.outcome LIKE 'busy%';
            passed_tasks := passed_tasks || first.task_id;
            IF taken.outcome LIKE '%automation' THEN
                passed_automations := passed_automations || first.automation_id;
            ELSIF taken.outcome LIKE '%login' AND first.has_login_line THEN
                passed_lines := passed_lines || first.line_id;
            END IF;
        END LOOP;
        EXIT WHEN is_taken;
    END LOOP;
    IF NOT is_taken THEN
        PERFORM inference_set_lines_right(stale);
        IF more THEN
            RETURN NEXT;
        END IF;
        RETURN;
    END IF;

    UPDATE inference_concurrencyslot SET running = running + 1 WHERE key = ANY (taken.places);
    -- Not the statement's instant: that may be before the commit that gave the place back.
    claimed_at := clock_timestamp();
    UPDATE inference_task t
    SET status = 'allocated',
        allocated_at = GREATEST(claimed_at, t.created_at),
        lease_owner = p_owner,
        lease_token = t.lease_token + 1,
        lease_expires_at = claimed_at + make_interval(secs => p_lease_seconds),
        held_slots = taken.places
    WHERE t.id = first.task_id
    RETURNING t.id, t.lease_token, t.endpoint_name::text, t.max_timeout_in_minutes
    INTO claimed_id, claimed_token, claimed_name, claimed_minutes;
    INSERT INTO inference_attempt (task_id, number, token, host, worker, cause, allocated_at)
    SELECT claimed_id, COALESCE(max(number), 0) + 1, claimed_token, p_host, p_owner, '', claimed_at
    FROM inference_attempt WHERE task_id = claimed_id;
    INSERT INTO inference_taskevent (task_id, at, kind, status, cause, data)
    VALUES (claimed_id, claimed_at, 'status', 'allocated', jsonb_build_object('kind', 'worker', 'id', p_owner), '{}');
    more := EXISTS (SELECT FROM inference_task t WHERE t.status = 'queued' AND NOT t.is_delayed
                    ORDER BY t.line_id, t.priority LIMIT 1);
    INSERT INTO inference_queueshare AS s (sharer, started, finished)
    VALUES (served, shares.present, shares.present + 1.0 / weight)
    ON CONFLICT ON CONSTRAINT inference_queueshare_pkey DO UPDATE
        SET started = GREATEST(s.finished, shares.present),
            finished = GREATEST(s.finished, shares.present) + 1.0 / weight;
    PERFORM inference_set_lines_right(stale);
    RETURN NEXT;
END $$;
"""

FULL_QUEUE = """
-- Waiting tasks of a sharer or, where that is null, of an automation; counted up to p_most.
CREATE FUNCTION inference_count_waiting(p_sharer text, p_automation bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
BEGIN
    IF p_sharer IS NOT NULL THEN
        RETURN (SELECT count(*) FROM (
            SELECT FROM inference_task t WHERE t.sharer = p_sharer AND t.status = 'queued'
            ORDER BY t.priority LIMIT p_most) waiting);
    END IF;
    RETURN (SELECT count(*) FROM (
        SELECT FROM inference_task t WHERE t.automation_id = p_automation AND t.status = 'queued'
        ORDER BY t.priority LIMIT p_most) waiting);
END $$;

-- Whether one more may wait; if so, that stays true until the caller's transaction ends. The limit is exact: near it
-- submissions pass one by one. Farther away than there can be transactions they only keep those out.
CREATE FUNCTION inference_has_room(p_class integer, p_id integer, p_limit integer, p_sharer text, p_automation bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    near_limit integer := p_limit - current_setting('max_connections')::integer;
BEGIN
    IF p_limit IS NULL THEN
        RETURN true;
    END IF;
    IF near_limit > 0 THEN
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(p_class, p_id);
            IF inference_count_waiting(p_sharer, p_automation, near_limit) < near_limit THEN
                RETURN true;
            END IF;
            -- Back to before the lock: two that both held it could not go on to the stronger one.
            RAISE EXCEPTION USING ERRCODE = 'OX001';
        EXCEPTION WHEN SQLSTATE 'OX001' THEN
            NULL;
        END;
    END IF;
    PERFORM pg_advisory_xact_lock(p_class, p_id);
    RETURN inference_count_waiting(p_sharer, p_automation, p_limit) < p_limit;
END $$;

-- Which limit leaves no room for one more: 'sharer', 'automation', or null. A limit that is null is none. The classes
-- of the locks are "shar" and "auto" in ASCII.
CREATE FUNCTION inference_full_queue(
    p_sharer text, p_sharer_limit integer, p_automation bigint, p_automation_limit integer)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF NOT inference_has_room(1936220530, hashtext(p_sharer), p_sharer_limit, p_sharer, NULL) THEN
        RETURN 'sharer';
    ELSIF NOT inference_has_room(1635087471, hashint8(p_automation), p_automation_limit, NULL, p_automation) THEN
        RETURN 'automation';
    END IF;
    RETURN NULL;
END $$;
"""

# What waits at this moment gets its line and sharer from the trigger.
LINE_UP_WHAT_WAITS = "UPDATE inference_task SET is_delayed = false WHERE status = 'queued'"


def create(sql: str, drop: str) -> migrations.RunSQL:
    return migrations.RunSQL(sql, reverse_sql=drop)


class Migration(migrations.Migration):
    dependencies = [("inference", "0007_queue_lines_and_shares")]

    operations = [
        create(LINE_UP, "DROP FUNCTION inference_line_up CASCADE"),
        create(SET_LINES_RIGHT, "DROP FUNCTION inference_set_lines_right"),
        create(FIRST_OF_SHARER, "DROP FUNCTION inference_first_of_sharer"),
        create(SHARERS_IN_ORDER, "DROP FUNCTION inference_sharers_in_order"),
        create(TAKE_PLACES, "DROP FUNCTION inference_take_places"),
        create(
            FULL_QUEUE,
            "DROP FUNCTION inference_full_queue; DROP FUNCTION inference_has_room;"
            " DROP FUNCTION inference_count_waiting",
        ),
        create("DROP FUNCTION inference_claim_task", FIRST_CLAIM),
        create(CLAIM_TASK, "DROP FUNCTION inference_claim_task"),
        migrations.RunSQL(LINE_UP_WHAT_WAITS, reverse_sql=migrations.RunSQL.noop),
    ]
