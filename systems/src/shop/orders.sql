-- Orders, each with how far it is (shop::saga), and what is still to be told of them.
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The Idempotency-Key that it came with, or one of its own.
    key text NOT NULL UNIQUE,
    user_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    amount bigint NOT NULL,
    -- As users and products described them; who could not be asked for is not there.
    buyer json,
    product json NOT NULL,
    -- What ties the log lines of all services together.
    request_id text NOT NULL,
    traceparent text NOT NULL,
    step text NOT NULL DEFAULT 'reserve-payment',
    -- Why it failed.
    reason text,
    tries bigint NOT NULL DEFAULT 0,
    -- Counts who had it in hand: whoever is late changes nothing any more.
    turn bigint NOT NULL DEFAULT 0,
    due_ms bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_due ON orders (due_ms) WHERE step NOT IN ('confirmed', 'failed');

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    event text NOT NULL
);

-- The one clock of all who have orders in hand, in ms since 1970.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE FUNCTION status(of orders) RETURNS text LANGUAGE sql AS $$
    SELECT CASE of.step WHEN 'confirmed' THEN 'CONFIRMED' WHEN 'failed' THEN 'FAILED' ELSE 'PENDING' END
$$;

CREATE FUNCTION event(of orders, kind text) RETURNS text LANGUAGE sql AS $$
    SELECT json_build_object('event', kind, 'order_id', of.id, 'user_id', of.user_id, 'email', of.buyer->>'email', 'amount', of.amount,
        'reason', of.reason, 'request_id', of.request_id, 'traceparent', of.traceparent)::text
$$;

-- An order as a client sees it.
CREATE FUNCTION shown(of orders) RETURNS text LANGUAGE sql AS $$
    SELECT json_strip_nulls(json_build_object('order_id', of.id, 'status', status(of), 'reason', of.reason, 'user_id', of.user_id,
        'user_email', of.buyer->>'email', 'product_id', of.product_id, 'quantity', of.quantity, 'amount', of.amount, 'user', of.buyer,
        'product', of.product, 'degraded', CASE WHEN of.buyer IS NULL THEN '["user"]'::json ELSE '[]'::json END))::text
$$;

CREATE FUNCTION place(asked json, patience_ms bigint) RETURNS SETOF orders LANGUAGE sql AS $$
    WITH placed AS (
        INSERT INTO orders (key, user_id, product_id, quantity, amount, buyer, product, request_id, traceparent, due_ms, deadline_ms)
            SELECT key, user_id, product_id, quantity, amount, buyer, product, request_id, traceparent, now_ms(), now_ms() + patience_ms
            FROM json_to_record(asked) AS new (key text, user_id bigint, product_id bigint, quantity bigint, amount bigint, buyer json,
                product json, request_id text, traceparent text)
            ON CONFLICT (key) DO NOTHING
            RETURNING *
    ), told AS (
        INSERT INTO outbox (event) SELECT event(placed, 'OrderCreated') FROM placed
    )
    SELECT * FROM placed
$$;

-- The order that waits longest is in one's hand for so long.
CREATE FUNCTION take(lease_ms bigint) RETURNS SETOF orders LANGUAGE sql AS $$
    UPDATE orders SET turn = turn + 1, due_ms = now_ms() + lease_ms
        WHERE id = (
            SELECT id FROM orders
                WHERE step NOT IN ('confirmed', 'failed') AND due_ms <= now_ms()
                ORDER BY due_ms LIMIT 1
                FOR UPDATE SKIP LOCKED
        )
        RETURNING *
$$;

-- Says how many orders that changed: 1, or 0 where another has it in hand by now.
CREATE FUNCTION step(order_id bigint, at_turn bigint, next text, next_tries bigint, next_due_ms bigint, why text)
    RETURNS bigint LANGUAGE sql AS $$
    WITH moved AS (
        UPDATE orders
            SET step = next, tries = next_tries, due_ms = next_due_ms, reason = coalesce(reason, why), turn = turn + 1
            WHERE id = order_id AND turn = at_turn
            RETURNING *
    ), told AS (
        INSERT INTO outbox (event)
            SELECT event(moved, CASE moved.step WHEN 'confirmed' THEN 'OrderConfirmed' ELSE 'OrderFailed' END)
            FROM moved WHERE moved.step IN ('confirmed', 'failed')
    )
    SELECT count(*) FROM moved
$$;

CREATE FUNCTION counts() RETURNS text LANGUAGE sql AS $$
    SELECT json_build_object('PENDING', count(*) FILTER (WHERE status(orders) = 'PENDING'),
        'CONFIRMED', count(*) FILTER (WHERE step = 'confirmed'), 'FAILED', count(*) FILTER (WHERE step = 'failed'))::text
    FROM orders
$$;
