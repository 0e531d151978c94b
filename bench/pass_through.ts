/**
 * The ceiling: the least a Deno proxy can do, `Deno.serve` + `fetch` with the credential replaced. It checks nothing.
 * Forwarding is done the way that measured fastest: headers as short arrays, bodies handed over.
 * Run by the benchmark with a port, the upstream's base URL and its bearer.
 */
const [port = "", upstream = "", bearer = ""] = Deno.args;
const authorization = `Bearer ${bearer}`;

async function pass(request: Request): Promise<Response> {
  const path = request.url.slice(request.url.indexOf("/", 8));
  const answer = await fetch(upstream + path, {
    method: request.method,
    headers: [
      ["content-type", request.headers.get("content-type") ?? "application/json"],
      ["accept", request.headers.get("accept") ?? "*/*"],
      ["mcp-protocol-version", request.headers.get("mcp-protocol-version") ?? ""],
      ["authorization", authorization],
    ],
    body: request.body,
    redirect: "manual",
    signal: request.signal,
  });
  return new Response(answer.body, {
    status: answer.status,
    headers: [["content-type", answer.headers.get("content-type") ?? "application/octet-stream"]],
  });
}

Deno.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  onListen: () => {},
  // The load generator leaves at the end of a burst, in the middle of its last requests.
  onError: () => new Response(null, { status: 502 }),
}, pass);
