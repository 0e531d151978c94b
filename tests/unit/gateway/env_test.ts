import assert from "node:assert/strict";
import { inspect } from "node:util";
import { env } from "../../../lib/gateway/env.ts";
import { faults, OIDC, options, route } from "./configurations.ts";
import { mcpOAuth } from "../../../policies/mcp_oauth.ts";

Deno.test("`env()` takes the variable, else the default; an empty value counts as missing", () => {
  const read = (name: string) => ({ SET: "value", EMPTY: "" })[name];
  assert.equal(env("SET").resolve(read), "value");
  assert.equal(env("SET", { default: "other" }).resolve(read), "value");
  assert.equal(env("EMPTY").resolve(read), undefined);
  assert.equal(env("EMPTY", { default: "other" }).resolve(read), "other");
  assert.equal(env("UNSET", { default: "other" }).resolve(read), "other");
});

Deno.test("`env()` shows its name and never its default", () => {
  const reference = env("API_KEY", { default: "canary-default" });
  const shown = [Deno.inspect(reference), inspect(reference), JSON.stringify({ reference }), `${reference}`];
  for (const text of shown) {
    assert.match(text, /env\(API_KEY\)/);
    assert.doesNotMatch(text, /canary/);
  }
});

Deno.test("a missing variable is one fault at its path, also for an option that could be left out", () => {
  const given = options({
    routes: [route({ upstream: env("UPSTREAM"), summary: env("SUMMARY"), icons: [{ src: env("ICON") }] })],
  });
  const found = faults(given);
  assert.deepEqual(found.map(({ path, variable }) => [path, variable]), [
    ["routes[0].upstream", "UPSTREAM"],
    ["routes[0].summary", "SUMMARY"],
    ["routes[0].icons[0].src", "ICON"],
  ]);
  for (const fault of found) assert.match(fault.problem, /not set, or is empty/);
  assert.equal(
    found[0]?.mend,
    'Set UPSTREAM to an http or https URL, for example "https://mcp.linear.app/mcp"',
    "what the option expects is said in terms of the variable",
  );
  assert.match(found[1]?.mend ?? "", /^Set SUMMARY, or name a fallback: env\("SUMMARY", /);
  assert.equal(faults(given, { env: () => "" }).length, 3, "an empty value counts as missing");
});

Deno.test("a bad value from the environment names its variable", () => {
  const given = options({ routes: [route({ upstream: env("UPSTREAM") })] });
  const [fault, ...others] = faults(given, { env: () => "ftp://up.example" });
  assert.deepEqual(others, []);
  assert.equal(fault?.variable, "UPSTREAM");
  assert.match(fault?.problem ?? "", /"ftp:\/\/up\.example" does not begin with https/);
});

Deno.test("a rule across options names the variable, too", () => {
  const given = options({ routes: [route({ upstream: env("UPSTREAM") })] });
  assert.deepEqual(faults(given, { env: () => "http://10.0.0.1/mcp" }).map((fault) => fault.variable), [
    "UPSTREAM",
  ]);
});

Deno.test("`env()` inside a template string is recognised, since it would never be read", () => {
  const upstream = `https://${env("HOST")}/mcp`;
  assert.match(
    faults(options({ routes: [route({ upstream })] }))[0]?.problem ?? "",
    /env\(\) was put inside/,
  );
  const login = { ...OIDC, browserLogin: { ...OIDC.browserLogin, clientSecret: `x${env("S")}` } };
  assert.match(faults(options({ oauth: mcpOAuth(login) }))[0]?.problem ?? "", /env\(\) was put inside/);
});

Deno.test("`env()` with something that is no name is a fault, and not an exception while importing", () => {
  for (const name of ["", "1A", "A B", "A=B"]) {
    const [fault] = faults(options({ routes: [route({ upstream: env(name) })] }), {
      env: () => "https://a.example",
    });
    assert.match(fault?.problem ?? "compiled", /cannot be the name/, name);
  }
});

Deno.test("`env()` where no string is expected is a fault", () => {
  const given = options({ limits: { bodyBytes: env("BYTES") } });
  const [fault] = faults(given, { env: () => "1000" });
  assert.equal(fault?.path, "limits.bodyBytes");
  assert.match(fault?.problem ?? "", /number is expected, but a string was given/);
});
