/** The resolved configuration as text for people: every setting, where it came from, and no secret. */
import type { ResolvedGateway } from "./compile.ts";
import type { Setting } from "./compilation.ts";
import { maskUrl } from "./config_error.ts";
import { overridesInUse } from "./connections.ts";
import type { PublicUrlSetting } from "../http/public_url.ts";
import type { CapabilityFilter } from "../mcp/capability_settings.ts";
import { Secret } from "../runtime/secret.ts";

/** One line of the table. */
interface Row {
  readonly path: string;
  readonly value: string;
  readonly variable: string | null;
}

/** Writes a table of all settings. A value that came from the environment is followed by its variable's name. */
export function describeGateway({ gateway, settings }: ResolvedGateway): string {
  const publicUrl = settings.find((setting) => setting.path.startsWith("publicUrl"))?.variable ?? null;
  const rows: Row[] = [
    { path: "mode", value: gateway.mode, variable: null },
    { path: "publicUrl", value: publicUrlText(gateway.publicUrl), variable: publicUrl },
    ...settings.filter((setting) => !setting.path.startsWith("publicUrl")).map(row),
  ];
  const { login } = gateway.oauth;
  if (login.kind === "oidc") {
    // A wrapper derives these from a domain or a tenant: show what it made of them.
    const known = new Set(settings.map((setting) => setting.value));
    for (const name of ["issuer", "jwksUrl", "authorizationUrl", "tokenUrl"] as const) {
      if (!known.has(login[name])) {
        rows.push({ path: `oauth → ${name}`, value: shown(login[name]), variable: null });
      }
    }
  }
  for (const [index, { capabilities }] of gateway.routes.entries()) {
    if (capabilities === null) continue;
    rows.push({ path: `routes[${index}] → shown`, value: shownText(capabilities), variable: null });
  }
  for (const { connection, override, value } of overridesInUse(gateway)) {
    rows.push({ path: `overrides → ${connection}.${override}`, value: shown(value), variable: null });
  }
  const width = Math.max(...rows.map((each) => each.path.length));
  const sections = Map.groupBy(
    rows,
    (each) => /^(?:oauth|overrides|routes\[\d+\]|clients\[\d+\])/.exec(each.path)?.[0] ?? "",
  );
  return [...sections.values()].map((section) => section.map((each) => line(each, width)).join("\n")).join(
    "\n\n",
  );
}

/** What a filter lets through, in a line. */
function shownText({ lists, access }: CapabilityFilter): string {
  const { tools, prompts, resources, resourceTemplates } = lists;
  const counts = [
    counted(tools, "tool"),
    counted(prompts, "prompt"),
    counted(resources, "resource"),
    counted(resourceTemplates, "resource template"),
  ];
  const how =
    { allPublic: "", rolesAndGroups: "; by role and group", rule: "; as a function decides" }[access.kind];
  return counts.join(", ") + how;
}

function counted(list: readonly unknown[] | null, noun: string): string {
  if (list?.length === 1) return `1 ${noun}`;
  return `${list === null ? "all" : list.length === 0 ? "no" : list.length} ${noun}s`;
}

function row({ path, value, variable }: Setting): Row {
  return { path, value: shown(value), variable };
}

function line({ path, value, variable }: Row, width: number): string {
  const origin = variable === null ? "" : `  (from ${variable})`;
  return `  ${path.padEnd(width)}  ${value}${origin}`;
}

function shown(value: unknown): string {
  if (value instanceof Secret) return value.toString();
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(", ");
  if (typeof value === "function") return "decided by a function";
  if (typeof value !== "string") return String(value);
  if (value === "") return '""';
  const [first = "", ...rest] = maskUrl(value).split("\n");
  // A name may hold anything; a terminal must not obey it.
  const safe = first.replace(/\p{Cc}/gu, "?");
  return safe.length > 120 || rest.length > 0 ? `${safe.slice(0, 120)}…` : safe;
}

function publicUrlText(publicUrl: PublicUrlSetting): string {
  if (publicUrl.kind === "origin") return publicUrl.origin;
  return publicUrl.kind === "hosts" ? `https, hosts ${publicUrl.patterns.join(", ")}` : "any loopback origin";
}
