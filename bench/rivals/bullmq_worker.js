// BullMQ's worker, which makes the requests over keep-alive connections.
const { Worker } = require("bullmq");
const { Agent, request } = require("undici");

const dispatcher = new Agent({ connections: 32 });

const worker = new Worker(
  "bench",
  async (job) => {
    const { statusCode, body } = await request(process.env.BENCH_RECEIVER, {
      dispatcher,
      query: job.data,
    });
    await body.dump();
    if (statusCode >= 300) {
      throw new Error(`the receiver answered ${statusCode}`);
    }
  },
  { connection: { url: process.env.BENCH_REDIS }, concurrency: 100 },
);
worker.on("error", console.error);
process.on("SIGTERM", async () => {
  await worker.close();
  process.exit(0);
});
