/** Form bodies of OAuth endpoints and pages: `application/x-www-form-urlencoded`, small, each parameter once. */
import { type BodyLimits, readBody } from "../lib/http/body.ts";
import { OAuthError } from "../lib/oauth/errors.ts";

const MAX_FORM_BYTES = 65_536;
const MAX_PARAMETERS = 100;
/** RFC 8707 §2: `resource` may be repeated. */
const REPEATABLE = new Set(["resource"]);

/** The parameters of a form body. The query string is never looked at. @throws {OAuthError} `invalid_request` */
export async function readForm(
  { deadlines }: Pick<BodyLimits, "deadlines">,
  request: Request,
): Promise<URLSearchParams> {
  const type = request.headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    throw new OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.", {
      reason: "content_type_unsupported",
    });
  }
  const body = await readBody(request, { maxBytes: MAX_FORM_BYTES, deadlines });
  const params = new URLSearchParams(new TextDecoder().decode(body));
  const seen = new Set<string>();
  for (const name of params.keys()) {
    if (seen.has(name) && !REPEATABLE.has(name)) {
      throw new OAuthError("invalid_request", `${JSON.stringify(name.slice(0, 40))} is repeated.`, {
        reason: "parameter_repeated",
      });
    }
    seen.add(name);
  }
  if (seen.size > MAX_PARAMETERS) {
    throw new OAuthError("invalid_request", "Too many parameters.", { reason: "too_many_parameters" });
  }
  return params;
}
