// What somebody would write with Express 5 and pg: prepared statements, a pool, a token check per request.
// `node express.mjs URL PORT SECRET` serves.
import express from "express";
import jwt from "jsonwebtoken";
import pg from "pg";

import { serve } from "./cluster.mjs";

const [url, port, secret] = process.argv.slice(2);
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const POST = "id, created, updated, version, title, category, score, published, body";
const ARTICLE = "a.id, a.created, a.updated, a.version, a.team, a.author, a.title, a.category, a.score, a.published, a.body";
const MEMBER = "EXISTS (SELECT FROM team_members m WHERE m.team_id = a.team AND m.user_id = $1)";

function signedIn(request, response, next) {
  const [scheme, token] = (request.get("authorization") ?? "").split(" ");
  if (scheme !== "Bearer") return response.status(401).json({ error: "sign in first" });
  try {
    request.user = jwt.verify(token, secret, { algorithms: ["HS256"] }).sub;
  } catch {
    return response.status(401).json({ error: "sign in again" });
  }
  next();
}

const limitOf = (request) => Math.min(Number.parseInt(request.query.limit ?? "30", 10) || 30, 500);

await serve(port, () => {
  const pool = new pg.Pool({ connectionString: url });
  const app = express();
  app.use(express.json());

  app.get("/posts/:id", async (request, response) => {
    const text = `SELECT ${POST} FROM post WHERE id = $1`;
    const { rows } = await pool.query({ name: "post", text, values: [request.params.id] });
    if (rows.length === 0) return response.status(404).json({ error: "there is no such post" });
    response.json(rows[0]);
  });

  app.get("/posts", async (request, response) => {
    const text = `SELECT ${POST} FROM post WHERE category = $1 ORDER BY score DESC, id DESC LIMIT $2`;
    const values = [request.query.category, limitOf(request)];
    const { rows } = await pool.query({ name: "posts", text, values });
    response.json({ items: rows });
  });

  app.post("/posts", async (request, response) => {
    const { title, category, score, published, body } = request.body;
    if (typeof title !== "string" || title.length < 1 || title.length > 200) {
      return response.status(422).json({ error: "title must have 1 to 200 characters" });
    }
    const text = `INSERT INTO post (title, category, score, published, body) VALUES ($1, $2, $3, $4, $5) RETURNING ${POST}`;
    const { rows } = await pool.query({ name: "create", text, values: [title, category, score, published, body] });
    response.status(201).location(`/posts/${rows[0].id}`).json(rows[0]);
  });

  app.get("/articles/:id", signedIn, async (request, response) => {
    const text = `SELECT ${ARTICLE} FROM article a WHERE a.id = $2 AND ${MEMBER}`;
    const { rows } = await pool.query({ name: "article", text, values: [request.user, request.params.id] });
    if (rows.length === 0) return response.status(404).json({ error: "there is no such article" });
    response.json(rows[0]);
  });

  app.get("/articles", signedIn, async (request, response) => {
    const text = `SELECT ${ARTICLE}, u.name AS author_name FROM article a JOIN "user" u ON u.id = a.author
      WHERE a.category = $2 AND ${MEMBER} ORDER BY a.score DESC, a.id DESC LIMIT $3`;
    const values = [request.user, request.query.category, limitOf(request)];
    const { rows } = await pool.query({ name: "articles", text, values });
    const items = rows.map(({ author_name, ...row }) => ({ ...row, author: { id: row.author, name: author_name } }));
    response.json({ items });
  });

  app.get("/healthz", (_, response) => response.sendStatus(200));
  return app;
});
