-- What of an order is paid: reserved, refused because it is too much, or released.
CREATE TABLE payments (
    order_id bigint PRIMARY KEY,
    amount bigint NOT NULL,
    state text NOT NULL
);

-- The same command again says the same, and what was released can't be reserved any more.
CREATE FUNCTION reserve(asked json, most bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    asked_order bigint := asked->>'order';
    asked_amount bigint := asked->>'amount';
    outcome text;
BEGIN
    INSERT INTO payments
        VALUES (asked_order, asked_amount, CASE WHEN asked_amount <= most THEN 'reserved' ELSE 'refused' END)
        ON CONFLICT DO NOTHING;
    SELECT state INTO outcome FROM payments WHERE order_id = asked_order;
    RETURN outcome;
END $$;

CREATE FUNCTION release(asked bigint) RETURNS text LANGUAGE sql AS $$
    INSERT INTO payments VALUES (asked, 0, 'released')
        ON CONFLICT (order_id) DO UPDATE SET state = 'released'
        RETURNING state
$$;

CREATE VIEW totals AS
    SELECT count(*) FILTER (WHERE state = 'reserved') AS reserved,
        coalesce(sum(amount) FILTER (WHERE state = 'reserved'), 0) AS amount,
        count(*) FILTER (WHERE state = 'released') AS released,
        count(*) FILTER (WHERE state = 'refused') AS refused
    FROM payments;
