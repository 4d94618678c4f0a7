// A program that uses the API by types that openapi-typescript made from the document.
// Usage: node client.ts ADDRESS TOKEN. Prints what it found as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

declare const process: { argv: string[] };

const [address, token] = process.argv.slice(2);
const api = createClient<paths>({
  baseUrl: address ?? "",
  headers: { Authorization: `Bearer ${token}` },
});

const me = await api.GET("/api/v1/me");
if (me.error) {
  throw new Error(me.error.detail);
}
const stranger = createClient<paths>({ baseUrl: address ?? "" });
const refused = await stranger.GET("/api/v1/me");
console.log(
  JSON.stringify({
    user: me.data.user,
    scopes: me.data.scopes.length,
    left: me.response.headers.get("RateLimit"),
    refused: refused.error?.type,
    status: refused.error?.status,
  }),
);
