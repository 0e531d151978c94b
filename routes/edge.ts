/** The edge: what holds for every request before any endpoint sees it. Our host, a sane size, a known origin of the browser. */
import { clientAddress } from "../lib/http/client_address.ts";
import { resolveOrigin } from "../lib/http/public_url.ts";
import { PATHS } from "../lib/oauth/paths.ts";
import type { Delivery, Deployment, RequestContext, RequestTarget } from "./context.ts";

/** The global is looked up by a function each time it is asked for. */
const webCrypto = crypto;

/** Longest request target, in characters. */
const MAX_TARGET_LENGTH = 16_384;

/** Cuts a request's URL apart. */
export function requestTarget(url: string): RequestTarget {
  const authority = url.indexOf("://") + 3;
  let path = url.indexOf("/", authority);
  const query = url.indexOf("?", authority);
  if (path === -1 || (query !== -1 && query < path)) path = query === -1 ? url.length : query;
  const end = query === -1 ? url.length : query;
  return { host: url.slice(authority, path), path: url.slice(path, end) || "/", search: url.slice(end) };
}

/** What was found of a URL: the same for all calls of a route. */
interface Known {
  readonly url: string;
  /** That came with it: the same URL may be asked for with another. */
  readonly host: string | null;
  readonly target: RequestTarget;
  readonly origin: string;
}

/** So many URLs are remembered; then it begins anew. */
const MAX_KNOWN = 256;

/** The edge of one gateway. */
export class Edge {
  readonly #deployment: Pick<Deployment, "gateway" | "services">;
  readonly #known = new Map<string, Known>();
  /** The one asked for last: to compare two URLs is cheaper than to hash one, and calls come in runs. */
  #last: Known | null = null;

  constructor(deployment: Pick<Deployment, "gateway" | "services">) {
    this.#deployment = deployment;
  }

  /**
   * The context of an acceptable request, or the answer that refuses it.
   * `Deno.serve` itself answers 400 to more than 128 header fields or 64 KiB of them.
   */
  enter(
    request: Request,
    connection: { readonly peer: string; readonly delivery: Delivery },
  ): RequestContext | Response {
    const { url, headers } = request;
    const { trustedProxies } = this.#deployment.gateway;
    // HTTP/2 has no Host field but an authority, which is then the target's. Asked by `has` first, Deno reads all headers in one go, which
    // it would do in any case when the answer is sent; asked by `get`, it is called once more for each of the many that are looked at here.
    const host = headers.has("host") ? headers.get("host") : null;
    const found = this.#remembered(url, host) ?? this.#find(request, host);
    if (found instanceof Response) return found;
    const { target, origin } = found;
    return new EdgeContext({ target, origin, connection, trustedProxies, headers });
  }

  #remembered(url: string, host: string | null): Known | null {
    if (this.#last?.url === url && this.#last.host === host) return this.#last;
    const known = this.#known.get(url);
    if (known?.host !== host) return null;
    this.#last = known;
    return known;
  }

  #find({ url, method, headers }: Request, host: string | null): Known | Response {
    const { gateway, services } = this.#deployment;
    if (url.length > MAX_TARGET_LENGTH) return refusal(414, "The request target is too long.");
    const target = requestTarget(url);
    const trusted = gateway.trustedProxies;
    const origin = resolveOrigin(gateway, {
      host: host ?? target.host,
      targetHost: target.host,
      forwardedHost: trusted > 0 ? headers.get("x-forwarded-host") : null,
      forwardedProto: trusted > 0 ? headers.get("x-forwarded-proto") : null,
    });
    if (origin === null && !isProbe(gateway, target)) {
      services.events.emit("warn", "http_request_refused", {
        reasonCode: "host_not_ours",
        method,
        path: target.path,
      });
      return refusal(
        421,
        "This host is not served here. Set publicUrl or allowedHosts in gateway.config.ts if it should be.",
      );
    }
    const found: Known = { url, host, target, origin: origin ?? "" };
    // What a proxy says may differ from request to request, and a query is nothing to keep.
    if (trusted === 0 && target.search === "") this.#remember(found);
    return found;
  }

  #remember(known: Known): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(known.url, known);
  }
}

/** Probes come from whoever runs the machine, under whatever name. */
function isProbe({ basePath }: Deployment["gateway"], { path }: RequestTarget): boolean {
  return path === basePath + PATHS.healthz || path === basePath + PATHS.readyz;
}

/** Addresses cost more than they look, and a call of a tool needs none: they are read when somebody asks. */
class EdgeContext implements RequestContext {
  readonly requestId: string = webCrypto.randomUUID();
  readonly target: RequestTarget;
  readonly origin: string;
  readonly #from: EdgeFacts;

  constructor(from: EdgeFacts) {
    this.target = from.target;
    this.origin = from.origin;
    this.#from = from;
  }

  get peer(): string {
    return this.#from.connection.peer;
  }

  get address(): string {
    const { trustedProxies, headers } = this.#from;
    return trustedProxies > 0
      ? clientAddress(this.peer, headers.get("x-forwarded-for"), trustedProxies)
      : this.peer;
  }

  get delivery(): Delivery {
    return this.#from.connection.delivery;
  }
}

interface EdgeFacts {
  readonly target: RequestTarget;
  readonly origin: string;
  readonly connection: { readonly peer: string; readonly delivery: Delivery };
  readonly trustedProxies: number;
  readonly headers: Headers;
}

function refusal(status: number, detail: string): Response {
  return Response.json({ status, detail }, {
    status,
    headers: { "Content-Type": "application/problem+json", "Cache-Control": "no-store", Connection: "close" },
  });
}
