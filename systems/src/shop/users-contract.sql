-- No pod may be left that asks for name.
DROP TRIGGER same_name ON users;
DROP FUNCTION same_name();
ALTER TABLE users DROP name;
