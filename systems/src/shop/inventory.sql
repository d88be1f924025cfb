-- What is in stock, and what of it is reserved for an order; refused because too few were left, or released.
CREATE TABLE stock (
    product bigint PRIMARY KEY,
    free bigint NOT NULL CHECK (free >= 0)
);

CREATE TABLE reservations (
    order_id bigint PRIMARY KEY,
    product bigint NOT NULL,
    quantity bigint NOT NULL,
    state text NOT NULL
);

-- The same command again says the same, and what was released can't be reserved any more.
CREATE FUNCTION reserve(asked json, most bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    asked_order bigint := asked->>'order';
    asked_product bigint := asked->>'product';
    asked_quantity bigint := asked->>'quantity';
    outcome text;
BEGIN
    INSERT INTO reservations VALUES (asked_order, asked_product, asked_quantity, 'reserved') ON CONFLICT DO NOTHING;
    IF FOUND THEN
        UPDATE stock SET free = free - asked_quantity WHERE product = asked_product AND free >= asked_quantity;
        IF NOT FOUND THEN
            UPDATE reservations SET state = 'refused' WHERE order_id = asked_order;
        END IF;
    END IF;
    SELECT state INTO outcome FROM reservations WHERE order_id = asked_order;
    RETURN outcome;
END $$;

CREATE FUNCTION release(asked bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    freed reservations;
BEGIN
    INSERT INTO reservations VALUES (asked, 0, 0, 'released') ON CONFLICT DO NOTHING;
    UPDATE reservations SET state = 'released' WHERE order_id = asked AND state = 'reserved' RETURNING * INTO freed;
    IF FOUND THEN
        UPDATE stock SET free = free + freed.quantity WHERE product = freed.product;
    END IF;
    RETURN 'released';
END $$;

CREATE VIEW totals AS
    SELECT count(*) FILTER (WHERE state = 'reserved') AS reserved,
        coalesce(sum(quantity) FILTER (WHERE state = 'reserved'), 0) AS quantity,
        count(*) FILTER (WHERE state = 'released') AS released,
        count(*) FILTER (WHERE state = 'refused') AS refused,
        (SELECT coalesce(json_object_agg(product, free), '{}') FROM stock) AS free
    FROM reservations;
