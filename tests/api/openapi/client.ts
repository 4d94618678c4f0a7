// A program that uses the API by types that openapi-typescript made from the document.
// Usage: node client.ts ADDRESS TOKEN RECEIVER. Prints what it found as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

declare const process: { argv: string[] };

const WAIT_MS = 60_000;
const [address = "", token = "", receiver = ""] = process.argv.slice(2);
const api = createClient<paths>({
  baseUrl: address,
  headers: { Authorization: `Bearer ${token}` },
});

// Returns the data of an answer; an error becomes an exception with its sentence.
function take<T>(answer: { data?: T; error?: { detail: string } }): T {
  if (answer.error) {
    throw new Error(answer.error.detail);
  }
  return answer.data as T;
}

async function waitForDelivery(ids: string[], hook: string) {
  const giveUpAt = Date.now() + WAIT_MS;
  while (Date.now() < giveUpAt) {
    for (const id of ids) {
      const path = { delivery_id: id };
      const found = take(await api.GET("/api/v1/deliveries/{delivery_id}", { params: { path } }));
      if (found.hook === hook && found.state === "delivered") {
        return found;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the delivery was not made in time");
}

const body: components["schemas"]["NewHook"] = {
  pbx: "head-office",
  extension: "101",
  event: "dial-in",
  url: `${receiver}/from-typescript`,
  method: "POST",
};
const header = { "Idempotency-Key": "typescript-1" };
const hook = take(await api.POST("/api/v1/hooks", { params: { header }, body }));
const again = await api.POST("/api/v1/hooks", { params: { header }, body });

const sent = take(
  await api.POST("/api/v1/events", {
    body: { pbx: "head-office", extension: "101", event: "dial-in" },
  }),
);
const delivery = await waitForDelivery(sent.deliveries, hook.event_id);
const attempt = take(
  await api.GET("/api/v1/deliveries/{delivery_id}/attempts/{number}", {
    params: { path: { delivery_id: delivery.id, number: "1" } },
  }),
);

const path = { event_id: hook.event_id };
const stale = await api.PATCH("/api/v1/hooks/{event_id}", {
  params: { path, header: { "If-Match": '"another"' } },
  body: { note: "by TypeScript" },
});
const changed = take(
  await api.PATCH("/api/v1/hooks/{event_id}", {
    params: { path },
    body: { note: "by TypeScript" },
  }),
);
console.log(
  JSON.stringify({
    status: attempt.status_code,
    body: attempt.request.body,
    note: changed.note,
    replayed: again.response.headers.get("Idempotent-Replayed"),
    stale: stale.error?.type,
  }),
);
