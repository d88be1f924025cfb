-- A pod of the release before knows nothing of full_name, one of this release nothing of name: whichever of the two is written, the
-- other has the same.
ALTER TABLE users ADD full_name text;
UPDATE users SET full_name = name;
ALTER TABLE users ALTER full_name SET NOT NULL;

-- It may be there: a copy of the table that is restored takes the table's place, and the function stays.
CREATE OR REPLACE FUNCTION same_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.full_name := coalesce(NEW.full_name, NEW.name);
        NEW.name := NEW.full_name;
    ELSIF NEW.name IS DISTINCT FROM OLD.name THEN
        NEW.full_name := NEW.name;
    ELSE
        NEW.name := NEW.full_name;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER same_name BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION same_name();
