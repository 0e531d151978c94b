/** Form bodies: one type, one value each, and nothing from the query. */
import assert from "node:assert/strict";
import { BodyTooLargeError } from "../../../lib/http/body.ts";
import { OAuthError } from "../../../lib/oauth/errors.ts";
import { readForm } from "../../../routes/form.ts";

/** No time passes here. */
const untimed = { deadlines: { start: () => ({ stop() {} }) } };
const FORM = "application/x-www-form-urlencoded";

function post(body: string, type: string | null = FORM): Request {
  const headers = new Headers(type === null ? {} : { "content-type": type });
  const request = new Request("http://gw.test/oauth/token?code=from-the-query", {
    method: "POST",
    body: new TextEncoder().encode(body),
    headers,
  });
  return request;
}

async function refused(request: Request, reason: string): Promise<void> {
  await assert.rejects(() => readForm(untimed, request), (error: unknown) => {
    assert.ok(error instanceof OAuthError);
    assert.deepEqual([error.code, error.status, error.reason], ["invalid_request", 400, reason]);
    return true;
  });
}

Deno.test("parameters come from the body alone, decoded once (B8 135)", async () => {
  const form = await readForm(untimed, post("a=1+2&b=%2B%25&c=&d=%E4&resource=x&resource=y"));
  assert.deepEqual([...form], [
    ["a", "1 2"],
    ["b", "+%"],
    ["c", ""],
    ["d", "\ufffd"],
    ["resource", "x"],
    ["resource", "y"],
  ]);
  assert.equal(form.get("code"), null);
});

Deno.test("the type has to be a form's, whatever its parameters and case", async () => {
  for (const type of [FORM, `${FORM}; charset=UTF-8`, FORM.toUpperCase()]) {
    assert.equal((await readForm(untimed, post("a=1", type))).get("a"), "1");
  }
  for (
    const type of [null, "application/json", "multipart/form-data; boundary=x", "text/plain", `x${FORM}`]
  ) {
    await refused(post("a=1", type), "content_type_unsupported");
  }
});

Deno.test("a parameter may come once, `resource` excepted (B8 135, AS-52)", async () => {
  for (const body of ["a=1&a=1", "a=1&b=2&a=3", "%61=1&a=2", "client_id=x&client_id=x"]) {
    await refused(post(body), "parameter_repeated");
  }
});

Deno.test("neither 10,000 parameters nor a megabyte is read (B8 135)", async () => {
  const many = Array.from({ length: 101 }, (_, index) => `p${index}=1`).join("&");
  await refused(post(many), "too_many_parameters");
  await assert.rejects(() => readForm(untimed, post(`a=${"x".repeat(1_000_000)}`)), BodyTooLargeError);
});
