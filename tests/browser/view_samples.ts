/** One rendering of every page in each of its states, also with hostile input: what the tests of the views look at. */

import { accountPage, type AccountPageProps } from "../../routes/views/account.ts";
import { connectPage, type ConnectPageProps } from "../../routes/views/connect.ts";
import { devLoginPage } from "../../routes/views/dev_login.ts";
import { errorPage } from "../../routes/views/error.ts";
import { landingPage } from "../../routes/views/landing.ts";
import { setupPage, type SetupPageProps } from "../../routes/views/setup.ts";

/** Tries to leave a text, an attribute and the line, and to reverse what follows. */
export const HOSTILE = `"><img src=x onerror=alert(1)>'</title><script>alert(2)</script>\u202egro.live\u0007`;

/** As long as a host name gets, and longer, without a place to break. */
export const LONG_HOST = `${"claude.ai.login.".repeat(18)}evil-example.test`;

/** The plain case: an app with a metadata document, one route, an upstream that waits to be connected. */
export const SETUP: SetupPageProps = {
  action: "/oauth/setup",
  transactionId: "tx_5kq2",
  csrfToken: "csrf_81f0",
  client: {
    name: "Claude",
    id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
    host: "claude.ai",
    registeredAt: null,
  },
  redirectHost: "claude.ai",
  loopbackOnly: false,
  user: { name: "Dana Rivera", detail: "dana@example.test" },
  route: {
    title: "Linear",
    operationId: "linear-mcp-server",
    url: "https://gateway.example.test/mcp/linear-v1",
    description: "Issues, projects and cycles of your Linear workspace",
  },
  routeChoices: [],
  upstream: { displayName: "Linear", state: "none", account: null },
  scopes: [{ name: "mcp:tools", meaning: "Use the tools, prompts and resources of this server" }],
  error: null,
  requestId: "req_01JB2Q8F5K",
};

/** {@linkcode SETUP} with a native app that registered itself, and an upstream that is connected. */
export const SETUP_CONNECTED: SetupPageProps = {
  ...SETUP,
  client: { name: "Cursor", id: "cl_9f2k", host: null, registeredAt: "2026-10-30T09:12:44.000Z" },
  redirectHost: "127.0.0.1",
  loopbackOnly: true,
  upstream: { displayName: "Linear", state: "works", account: "dana@acme.example" },
};

/** {@linkcode SETUP} where the user has to choose the route. */
export const SETUP_CHOICE: SetupPageProps = {
  ...SETUP,
  route: null,
  upstream: null,
  routeChoices: [
    { operationId: "linear", title: "Linear", url: "https://gateway.example.test/mcp/linear-v1" },
    { operationId: "github", title: "GitHub", url: "https://gateway.example.test/mcp/github" },
    { operationId: "docs", title: "Company handbook", url: "https://gateway.example.test/mcp/handbook" },
  ],
  error: "Choose what the app may use.",
};

/** Hostile strings in every place. */
export const SETUP_HOSTILE: SetupPageProps = {
  ...SETUP,
  action: `/oauth/setup?${HOSTILE}`,
  transactionId: HOSTILE,
  csrfToken: HOSTILE,
  client: { name: HOSTILE.repeat(8), id: HOSTILE, host: LONG_HOST, registeredAt: HOSTILE },
  redirectHost: LONG_HOST,
  loopbackOnly: true,
  user: { name: "W".repeat(300), detail: HOSTILE },
  route: {
    title: "M".repeat(200),
    operationId: HOSTILE,
    url: `https://${LONG_HOST}/mcp`,
    description: HOSTILE,
  },
  upstream: { displayName: HOSTILE, state: "works", account: HOSTILE },
  scopes: [{ name: HOSTILE, meaning: HOSTILE }],
  error: HOSTILE,
  requestId: HOSTILE,
};

/** Routes of the landing page. */
export const LANDING_ROUTES = [
  {
    title: "Linear",
    url: "https://gateway.example.test/mcp/linear-v1",
    description: "Issues, projects and cycles",
    operationId: "linear-mcp-server",
  },
  {
    title: "GitHub",
    url: "https://gateway.example.test/mcp/github",
    description: null,
    operationId: "github",
  },
];

const DEMO_ROUTE = {
  title: "Demo",
  url: "http://127.0.0.1:9000/mcp/demo",
  description: "A small MCP server to try the gateway with",
  operationId: "demo",
};

/** The account page of somebody with two apps. */
export const ACCOUNT: AccountPageProps = {
  action: "/account",
  csrfToken: "csrf_3",
  user: { name: "Dana Rivera", detail: "dana@example.test" },
  done: null,
  connections: [
    { id: "linear", name: "Linear", shared: false, state: "works", connectedAt: "2026-11-28T08:30:12.000Z" },
    { id: "notion", name: "Notion", shared: true, state: "none", connectedAt: null },
    {
      id: "github",
      name: "GitHub",
      shared: false,
      state: "limited",
      connectedAt: "2026-11-03T17:05:40.000Z",
    },
    { id: "sentry", name: "Sentry", shared: false, state: "ended", connectedAt: "2026-10-11T06:41:02.000Z" },
  ],
  apps: [
    {
      grantId: "gr_1",
      name: "Claude",
      clientId: "cl_1",
      route: "Linear",
      approvedAt: "2026-11-20T09:12:44.000Z",
    },
    {
      grantId: "gr_2",
      name: null,
      clientId: "cl_9f2k",
      route: "GitHub",
      approvedAt: "2026-10-30T09:12:44.000Z",
    },
  ],
  requestId: "req_01JB2Q8F5K",
};

/** The connect page as a connect link opens it. */
export const CONNECT: ConnectPageProps = {
  action: "/auth/connections/linear/connect",
  csrfToken: "csrf_4",
  pendingId: "pd_1",
  displayName: "Linear",
  host: "mcp.linear.app",
  shared: false,
  user: { name: "Dana Rivera", detail: "dana@example.test" },
  requestId: "req_01JB2Q8F5K",
};

/** A page as a route would serve it. */
export interface ViewSample {
  readonly name: string;
  readonly html: string;
  readonly formActionSelf: boolean;
}

/** Every sample, rendered. */
export async function viewSamples(): Promise<readonly ViewSample[]> {
  const sample = async (name: string, html: Promise<string>, formActionSelf = true): Promise<ViewSample> => ({
    name,
    html: await html,
    formActionSelf,
  });
  const login = { action: "/oauth/dev-login", loginId: "lg_1", csrfToken: "csrf_2", error: null };
  return await Promise.all([
    sample("setup-connect", setupPage(SETUP), false),
    sample("setup-authorize", setupPage(SETUP_CONNECTED), false),
    sample("setup-choice", setupPage(SETUP_CHOICE), false),
    sample(
      "setup-more-scope",
      setupPage({
        ...SETUP,
        upstream: {
          displayName: "Linear",
          state: "limited",
          account: null,
          addedScopes: ["write", "admin:*"],
        },
      }),
      false,
    ),
    sample("setup-hostile", setupPage(SETUP_HOSTILE), false),
    sample(
      "dev-login",
      devLoginPage({
        ...login,
        users: ["alice@example.test", "bob@example.test"],
        preselected: "bob@example.test",
      }),
    ),
    sample(
      "dev-login-hostile",
      devLoginPage({ ...login, users: ["x".repeat(200), HOSTILE], preselected: HOSTILE, error: HOSTILE }),
    ),
    sample("account", accountPage(ACCOUNT), false),
    sample("account-done", accountPage({ ...ACCOUNT, done: "Linear" }), false),
    sample("connect", connectPage(CONNECT), false),
    sample(
      "connect-shared-hostile",
      connectPage({
        ...CONNECT,
        displayName: HOSTILE,
        host: LONG_HOST,
        shared: true,
        addedScopes: [HOSTILE, "x".repeat(200)],
      }),
      false,
    ),
    sample("account-empty", accountPage({ ...ACCOUNT, apps: [], connections: [] }), false),
    sample(
      "account-hostile",
      accountPage({
        ...ACCOUNT,
        csrfToken: HOSTILE,
        user: { name: "W".repeat(300), detail: HOSTILE },
        apps: [{
          grantId: HOSTILE,
          name: HOSTILE.repeat(8),
          clientId: HOSTILE,
          route: LONG_HOST,
          approvedAt: HOSTILE,
        }],
      }),
      false,
    ),
    sample(
      "landing",
      landingPage({
        routes: LANDING_ROUTES,
        development: false,
        signedIn: { name: "Dana Rivera" },
        accountPath: "/account",
      }),
    ),
    sample(
      "landing-dev",
      landingPage({ routes: [DEMO_ROUTE], development: true, signedIn: null, accountPath: "" }),
    ),
    sample(
      "error",
      errorPage({
        status: 403,
        title: "This sign-in belongs to another browser",
        happened: "The link that brought you here was started in another browser, or has been used already.",
        todo: "Go back to your app and start the sign-in again.",
        requestId: "req_01JB2Q8F5K",
        action: { label: "See what this gateway offers", href: "/" },
      }),
    ),
    sample(
      "error-hostile",
      errorPage({
        status: 400,
        title: HOSTILE,
        happened: HOSTILE.repeat(9),
        todo: "W".repeat(900),
        requestId: HOSTILE,
        action: { label: HOSTILE, href: `javascript:alert(1)//${HOSTILE}` },
      }),
    ),
  ]);
}
