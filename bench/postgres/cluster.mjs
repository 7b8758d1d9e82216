// One worker per core, as the documentation of Node.js and Express has it for production. None listens before all are
// ready, since the first would have all connections.
import cluster from "node:cluster";
import { availableParallelism } from "node:os";

/** `make` answers what has a method `listen`, such as a server. */
export async function serve(port, make) {
  if (cluster.isPrimary) {
    const workers = Array.from({ length: availableParallelism() }, () => cluster.fork());
    let ready = 0;
    cluster.on("message", () => {
      ready += 1;
      if (ready === workers.length) workers.forEach((worker) => worker.send("listen"));
    });
    cluster.on("exit", () => process.exit(1));
  } else {
    const server = await make();
    process.once("message", () => server.listen(Number(port), "127.0.0.1"));
    process.send("ready");
  }
}
