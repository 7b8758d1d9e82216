-- What the peers need in a copy of Ninefold's database: defaults for what Ninefold writes itself, and for PostGraphile
-- the roles, grants and policies by which its documentation does authorization. Whoever owns the tables (Express, Django)
-- is not subject to the policies and writes the same rule into its queries.

ALTER TABLE post
  ALTER id SET DEFAULT gen_random_uuid(),
  ALTER created SET DEFAULT date_trunc('milliseconds', now()),
  ALTER updated SET DEFAULT date_trunc('milliseconds', now()),
  ALTER version SET DEFAULT 1;

DO $$ BEGIN
  CREATE ROLE bench_authenticator LOGIN NOINHERIT;
  CREATE ROLE bench_visitor;
  GRANT bench_visitor TO bench_authenticator;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

GRANT USAGE ON SCHEMA public TO bench_visitor;
GRANT SELECT, INSERT ON post TO bench_visitor;
GRANT SELECT ON article, team, team_members TO bench_visitor;
GRANT SELECT (id, name) ON "user" TO bench_visitor;

CREATE FUNCTION public.caller() RETURNS uuid LANGUAGE sql STABLE
  AS $$ SELECT nullif(current_setting('jwt.claims.sub', true), '')::uuid $$;
REVOKE EXECUTE ON FUNCTION public.caller() FROM public;
GRANT EXECUTE ON FUNCTION public.caller() TO bench_visitor;

ALTER TABLE article ENABLE ROW LEVEL SECURITY;
CREATE POLICY members ON article FOR SELECT TO bench_visitor
  USING (EXISTS (SELECT FROM team_members AS m WHERE m.team_id = article.team AND m.user_id = (SELECT public.caller())));
ALTER TABLE "user" ENABLE ROW LEVEL SECURITY;
CREATE POLICY signed_in ON "user" FOR SELECT TO bench_visitor USING ((SELECT public.caller()) IS NOT NULL);

ANALYZE;
