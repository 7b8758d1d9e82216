-- What PostgreSQL has no function for, or another one: as `engine::query::functions` has them. All are null of a null,
-- and of what is of another type. Each is replaced whenever Ninefold's own tables change, so they are not versioned.

CREATE OR REPLACE FUNCTION _ninefold_later(moment timestamptz, ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
-- In two parts, each of which is exact in the floating-point numbers that intervals are multiplied by; null outside of the years 1 to 9999.
RETURN CASE WHEN extract(epoch FROM moment) * 1000 + ms BETWEEN -62135596800000 AND 253402300799999
  THEN moment + (ms / 86400000) * interval '24 hours' + (ms % 86400000) * interval '1 millisecond' END;

CREATE OR REPLACE FUNCTION _ninefold_between(later timestamptz, earlier timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ((extract(epoch FROM later) - extract(epoch FROM earlier)) * 1000)::bigint;

-- Cut off behind the sixth digit; null beyond 64 bits of millionths.
CREATE OR REPLACE FUNCTION _ninefold_decimal(value numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN trunc(value, 6) BETWEEN -9223372036854.775808 AND 9223372036854.775807 THEN trunc(value, 6) END;

CREATE OR REPLACE FUNCTION _ninefold_json(document json, path text[] DEFAULT '{}') RETURNS json
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY path LOOP
    IF json_typeof(document) <> 'object' THEN
      RETURN NULL;
    END IF;
    document := document -> name;
  END LOOP;
  RETURN CASE WHEN json_typeof(document) <> 'null' THEN document END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_array(document json) RETURNS json
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE json_typeof(document) WHEN 'array' THEN document END;

CREATE OR REPLACE FUNCTION _ninefold_json_text(document json, path text[] DEFAULT '{}') RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part json := _ninefold_json(document, path);
BEGIN
  RETURN CASE json_typeof(part) WHEN 'string' THEN part #>> '{}' END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_bool(document json, path text[] DEFAULT '{}') RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part json := _ninefold_json(document, path);
BEGIN
  RETURN CASE json_typeof(part) WHEN 'boolean' THEN part::text::boolean END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_float(document json, path text[] DEFAULT '{}') RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part json := _ninefold_json(document, path);
BEGIN
  RETURN CASE json_typeof(part) WHEN 'number' THEN part::text::double precision END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_int(document json, path text[] DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part json := _ninefold_json(document, path);
  number text := CASE json_typeof(part) WHEN 'number' THEN part::text END;
BEGIN
  IF number ~ '^(0|-?[1-9][0-9]*)$' AND number::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
    RETURN number::bigint;
  END IF;
  RETURN NULL;
END $$;

-- Beyond 2^53 a text.
CREATE OR REPLACE FUNCTION _ninefold_json_long(document json, path text[] DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  number text := _ninefold_json_text(document, path);
BEGIN
  IF number ~ '^[+-]?[0-9]+$' AND number::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
    RETURN number::bigint;
  END IF;
  RETURN _ninefold_json_int(document, path);
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_decimal(document json, path text[] DEFAULT '{}') RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  number text := _ninefold_json_text(document, path);
  exact numeric := CASE WHEN number ~ '^-?[0-9]+([.][0-9]+)?$' THEN number::numeric END;
BEGIN
  RETURN CASE WHEN trunc(exact, 6) = exact THEN _ninefold_decimal(exact) END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_id(document json, path text[] DEFAULT '{}') RETURNS uuid
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  id text := _ninefold_json_text(document, path);
BEGIN
  RETURN CASE WHEN id ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$' THEN id::uuid END;
END $$;

-- With padding, and without bits to spare.
CREATE OR REPLACE FUNCTION _ninefold_json_bytes(document json, path text[] DEFAULT '{}') RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  base64 text := _ninefold_json_text(document, path);
BEGIN
  RETURN CASE WHEN base64 ~ '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$'
         THEN decode(base64, 'base64') END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_day(day text) RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part text[] := regexp_match(day, '^([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})$');
  first date := CASE WHEN part[1] > '0000' THEN make_date(part[1]::integer, part[2]::integer, 1) END;
  days integer := extract(day FROM first + interval '1 month - 1 day');
BEGIN
  RETURN CASE WHEN part[3]::integer BETWEEN 1 AND days THEN first + (part[3]::integer - 1) END;
END $$;

CREATE OR REPLACE FUNCTION _ninefold_json_date(document json, path text[] DEFAULT '{}') RETURNS date
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _ninefold_day(_ninefold_json_text(document, path));

-- RFC 3339; a leap second is the last one of its minute, and what is finer than a millisecond is cut off.
CREATE OR REPLACE FUNCTION _ninefold_json_moment(document json, path text[] DEFAULT '{}') RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part text[] := regexp_match(
    _ninefold_json_text(document, path),
    '^(.{10})[Tt ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:[.]([0-9]+))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$'
  );
  -- `+` means earlier.
  sign integer := CASE part[6] WHEN '-' THEN 1 ELSE -1 END;
  moment timestamp := _ninefold_day(part[1])::timestamp
    + make_interval(
        hours => part[2]::integer + sign * coalesce(part[7]::integer, 0),
        mins => part[3]::integer + sign * coalesce(part[8]::integer, 0),
        secs => least(part[4]::integer, 59)
      )
    + coalesce(left(part[5] || '00', 3)::integer, 0) * interval '1 millisecond';
BEGIN
  RETURN CASE WHEN moment >= timestamp '0001-01-01' AND moment < timestamp '10000-01-01'
         THEN moment AT TIME ZONE 'UTC' END;
END $$;
