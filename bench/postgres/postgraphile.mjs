// PostGraphile 5 in production: the Amber preset, Grafserv on Node's own server, roles and row level security (peers.sql).
// `node postgraphile.mjs URL PORT SECRET` serves.
import { createServer } from "node:http";

import jwt from "jsonwebtoken";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

import { serve } from "./cluster.mjs";

const [url, port, secret] = process.argv.slice(2);

/** @type {GraphileConfig.Preset} */
const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: url, schemas: ["public"] })],
  grafast: {
    context({ node }) {
      const [scheme, token] = (node?.req.headers.authorization ?? "").split(" ");
      if (scheme !== "Bearer") return { pgSettings: { role: "bench_visitor" } };
      const { sub } = jwt.verify(token, secret, { algorithms: ["HS256"] });
      return { pgSettings: { role: "bench_visitor", "jwt.claims.sub": sub } };
    },
  },
  grafserv: { graphiql: false, watch: false },
};

await serve(port, async () => {
  const server = createServer();
  await postgraphile(preset).createServ(grafserv).addTo(server);
  return server;
});
