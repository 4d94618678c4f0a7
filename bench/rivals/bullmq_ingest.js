// Node.js's own HTTP server and BullMQ, one job for each request.
const http = require("node:http");
const { Queue } = require("bullmq");

const queue = new Queue("bench", {
  connection: { url: process.env.BENCH_REDIS, enableOfflineQueue: false },
  // As light as possible: nothing is kept of a finished job.
  defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
});
queue.on("error", console.error);

const server = http.createServer(async (request, response) => {
  const query = request.url.indexOf("?");
  if (query < 0) {
    response.writeHead(200).end("ok");
    return;
  }
  const fields = Object.fromEntries(new URLSearchParams(request.url.slice(query + 1)));
  try {
    await queue.add("deliver", fields);
    response.writeHead(202).end("accepted");
  } catch (error) {
    response.writeHead(503).end(String(error));
  }
});
server.keepAliveTimeout = 75_000;

queue.waitUntilReady().then(() => server.listen(Number(process.env.BENCH_PORT), "127.0.0.1"));
