/**
 * The real binary, serving a fresh copy of an example on a free port.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, open } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_MAX_MS = 30_000;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** Where screenshots and the servers' logs go. */
export const output = setting("NINEFOLD_BROWSER_OUTPUT");

export function setting(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: run the browser tests through \`cargo xtask test\``);
  }
  return value;
}

export class Server {
  /** Copies `examples/NAME`, without data of its own, and serves it; `seed` loads its seed data first. */
  static async start(name, { seed = false } = {}) {
    await mkdir(output, { recursive: true });
    const folder = await mkdtemp(path.join(output, `${name}-`));
    const data = path.join(root, "examples", name, "data");
    await cp(path.join(root, "examples", name), folder, { recursive: true, filter: (source) => source !== data });
    const server = new Server(folder, await freePort());
    if (seed) {
      await server.finish("seed");
    }
    await server.resume();
    return server;
  }

  constructor(folder, port) {
    this.folder = folder;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Serves, again after a `stop`, on the same port and the same data. */
  async resume() {
    this.process = await this.spawn("serve", "--migrate", "--listen", `127.0.0.1:${this.port}`);
    const deadline = Date.now() + START_MAX_MS;
    while (!(await this.isReady())) {
      if (this.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the server did not get ready; its log is in ${this.folder}`);
      }
      await sleep(50);
    }
  }

  async stop() {
    if (this.process?.exitCode !== null) {
      return;
    }
    const exited = once(this.process, "exit");
    this.process.kill("SIGTERM");
    const [code, signal] = await exited;
    if (code !== 0) {
      throw new Error(`the server ended with ${signal ?? code} on SIGTERM; its log is in ${this.folder}`);
    }
  }

  async finish(command) {
    const child = await this.spawn(command);
    const [code] = await once(child, "exit");
    if (code !== 0) {
      throw new Error(`\`ninefold ${command}\` ended with ${code}; its log is in ${this.folder}`);
    }
  }

  async spawn(command, ...rest) {
    const log = await open(path.join(this.folder, `${command}.log`), "a");
    const child = spawn(setting("NINEFOLD_BINARY"), [command, this.folder, ...rest], { stdio: ["ignore", log.fd, log.fd] });
    await once(child, "spawn");
    await log.close();
    return child;
  }

  async isReady() {
    try {
      return (await fetch(`${this.url}/readyz`)).ok;
    } catch {
      return false;
    }
  }
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
