/** The one stylesheet, as text: it is served as a file, since the pages' CSP allows nothing inline. */

const COLOURS = `
:root {
  color-scheme: light dark;
  --ground: #f4f6f4; --surface: #ffffff; --sunken: #f1f4f2;
  --text: #15211e; --muted: #53615c; --line: #dde4e0; --control: #7c8a85;
  --accent: #0f5f55; --accent-hover: #0a4a42; --on-accent: #ffffff; --accent-soft: #e3f1ed;
  --warn-ground: #fff6e3; --warn-line: #d9a441; --warn-text: #5a3b00;
  --alert-ground: #fdeeec; --alert-line: #c8503f; --alert-text: #7a1b10;
  --shadow: 0 1px 2px rgb(21 33 30 / .05), 0 8px 28px rgb(21 33 30 / .07);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1413; --surface: #161e1c; --sunken: #1c2624;
    --text: #e7eeeb; --muted: #a2b1ab; --line: #2b3734; --control: #6d7d77;
    --accent: #74d6c2; --accent-hover: #93e3d2; --on-accent: #06231e; --accent-soft: #1a312c;
    --warn-ground: #2b2310; --warn-line: #8f6d1f; --warn-text: #f2d699;
    --alert-ground: #321a17; --alert-line: #a04a3d; --alert-text: #f7bdb4;
    --shadow: 0 1px 2px rgb(0 0 0 / .4), 0 8px 28px rgb(0 0 0 / .35);
  }
}
`;

const FRAME = `
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scrollbar-gutter: stable; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: flex; flex-direction: column;
  background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere;
}
.brand, main, footer { width: 100%; margin-inline: auto; padding-inline: clamp(1rem, 4vw, 1.5rem); }
.narrow { max-width: 38rem; }
.wide { max-width: 49rem; }
.brand {
  display: flex; align-items: center; gap: .6rem;
  padding-block: clamp(1rem, 4vh, 2.5rem) clamp(.75rem, 2vh, 1.25rem);
  font-weight: 650; letter-spacing: -.01em;
}
.logo { flex: none; color: var(--text); }
.logo .inner { color: var(--accent); }
main { flex: 1; }
footer { padding-block: 1.5rem 2rem; color: var(--muted); font-size: .8125rem; }
footer p { margin: 0; }
.card {
  display: block; background: var(--surface); border: 1px solid var(--line); border-radius: 1rem;
  padding: clamp(1.25rem, 4vw, 2rem); box-shadow: var(--shadow);
}
.card + .card { margin-top: 1.25rem; }
.card > :last-child, .notice > :last-child { margin-bottom: 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .25rem; }
`;

const TEXT = `
h1, h2 { line-height: 1.2; letter-spacing: -.015em; text-wrap: balance; margin: 0 0 .5rem; }
h1 { font-size: clamp(1.4rem, 1.15rem + 1.3vw, 1.75rem); font-weight: 680; }
h2 { font-size: 1.125rem; font-weight: 650; }
p { margin: 0 0 1rem; }
b { font-weight: 620; }
bdi { max-width: 100%; }
a { color: var(--accent); text-underline-offset: .18em; }
a:hover { color: var(--accent-hover); }
small { font-size: .875rem; color: var(--muted); }
.lead { color: var(--muted); margin-bottom: 1.25rem; text-wrap: pretty; }
.eyebrow { color: var(--accent); font-size: .8125rem; font-weight: 650; letter-spacing: .02em; margin-bottom: .35rem; }
.fine { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .875rem; }
code { font: .8438em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
.host { font-size: .9375em; font-weight: 600; color: var(--text); unicode-bidi: isolate; direction: ltr; }
.copy { user-select: all; -webkit-user-select: all; }
pre {
  margin: 0; padding: .75rem .9rem; white-space: pre-wrap; background: var(--sunken);
  border: 1px solid var(--line); border-radius: .5rem; font-size: 1rem; line-height: 1.5;
}
.notice {
  margin: 0 0 1.25rem; padding: .7rem .95rem; border: 1px solid var(--line); border-inline-start-width: 4px;
  border-radius: .5rem; font-size: .9375rem;
}
.notice p { margin: 0; }
.notice.warning { background: var(--warn-ground); border-color: var(--warn-line); color: var(--warn-text); }
.notice.alert { background: var(--alert-ground); border-color: var(--alert-line); color: var(--alert-text); }
.notice.plain { background: var(--sunken); color: var(--muted); }
`;

const CONTROLS = `
.actions { display: grid; gap: .625rem; margin: 0; }
.button {
  display: block; width: 100%; min-height: 2.875rem; padding: .7rem 1.1rem; cursor: pointer;
  border: 1px solid transparent; border-radius: .625rem;
  font: inherit; font-weight: 600; line-height: 1.35; text-align: center; text-decoration: none;
}
.button:focus-visible { border-radius: .625rem; }
.primary, a.primary { background: var(--accent); color: var(--on-accent); }
.primary:hover, a.primary:hover { background: var(--accent-hover); color: var(--on-accent); }
.secondary { background: var(--surface); color: var(--text); border-color: var(--control); }
.secondary:hover { background: var(--sunken); }
.quiet { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1.5rem; margin: .25rem 0 -.5rem; }
.link {
  min-height: 2.25rem; padding: .25rem 0; border: 0; background: none; color: var(--muted);
  font: inherit; font-size: .9375rem; text-align: start; cursor: pointer;
  text-decoration: underline; text-decoration-color: var(--control); text-underline-offset: .2em;
}
.link:hover { color: var(--text); text-decoration-color: currentColor; }
fieldset { margin: 0 0 1.5rem; padding: 0; border: 0; min-width: 0; display: grid; gap: .5rem; }
legend { padding: 0; margin-bottom: .5rem; font-weight: 620; }
.choice {
  display: flex; gap: .8rem; align-items: start; padding: .8rem .9rem; cursor: pointer;
  border: 1px solid var(--line); border-radius: .625rem;
}
.choice:hover { background: var(--sunken); }
.choice:has(:checked) { border-color: var(--accent); background: var(--accent-soft); }
.choice input { flex: none; width: 1.15rem; height: 1.15rem; margin: .2rem 0 0; accent-color: var(--accent); }
.choice span { min-width: 0; }
.choice code { display: block; color: var(--muted); }
`;

const SETUP = `
.facts { margin: 0 0 1.25rem; line-height: 1.45; border-top: 1px solid var(--line); }
.facts > div { padding: .6rem 0; border-bottom: 1px solid var(--line); }
.facts dt { color: var(--muted); font-size: .875rem; }
.facts dd { margin: 0; min-width: 0; }
.facts dd > b, .facts dd > small, .facts dd > code:not(.host) { display: block; }
.facts dd > code:not(.host) { color: var(--muted); font-size: .8125em; }
.facts ul { margin: 0; padding: 0; list-style: none; }
.facts li code { color: var(--muted); }
@media (min-width: 30rem) {
  .facts > div { display: grid; grid-template-columns: 8.75rem minmax(0, 1fr); gap: .75rem; }
  .facts dt { padding-top: .09rem; }
}
.state::before {
  content: ""; display: inline-block; width: .55rem; height: .55rem; margin-inline-end: .45rem; border-radius: 50%;
  border: 2px solid var(--control);
}
.state.on::before { background: var(--accent); border-color: var(--accent); }
.steps { display: flex; gap: .6rem; margin: 0 0 1.1rem; padding: 0; list-style: none; font-size: .875rem; }
.steps li {
  flex: 1 1 0; min-width: 0; padding-top: .55rem; border-top: 3px solid var(--line); color: var(--muted);
}
.steps li.done, .steps li.now { border-color: var(--accent); }
.steps li.now { color: var(--text); font-weight: 620; }
.steps li.done::before { content: "✓ " / ""; color: var(--accent); font-weight: 700; }
`;

const LANDING = `
.hero { margin: clamp(.25rem, 2.5vh, 1.5rem) 0 1.75rem; }
.hero h1 { font-size: clamp(1.6rem, 1.2rem + 2vw, 2.25rem); }
.hero .lead { max-width: 40rem; margin-bottom: 1rem; font-size: 1.0625rem; }
.route { margin-bottom: 1.25rem; padding: clamp(1.1rem, 4vw, 1.75rem); }
.route > p { color: var(--muted); margin-bottom: .75rem; }
.route > pre { margin-bottom: 1.1rem; }
.clients { border: 1px solid var(--line); border-radius: .625rem; }
details + details { border-top: 1px solid var(--line); }
summary {
  display: flex; align-items: center; gap: .7rem; min-height: 2.75rem; padding: .5rem .9rem; cursor: pointer;
  font-weight: 600; list-style: none;
}
summary::-webkit-details-marker { display: none; }
summary::before {
  content: ""; flex: none; width: .5rem; height: .5rem; border: solid var(--muted); border-width: 0 2px 2px 0;
  transform: rotate(-45deg);
}
details[open] > summary::before { transform: rotate(45deg) translate(-1px, -1px); }
summary:hover { background: var(--sunken); }
details:first-child > summary { border-radius: .6rem .6rem 0 0; }
details:last-child:not([open]) > summary { border-radius: 0 0 .6rem .6rem; }
.how { padding: .25rem .9rem 1.1rem 2.1rem; font-size: .9375rem; }
.how ol { margin: 0 0 .6rem; padding-inline-start: 1.2rem; }
.how li { margin-bottom: .4rem; }
.how p { margin-bottom: .6rem; }
.how pre { margin-bottom: .6rem; }
.how > :last-child { margin-bottom: 0; }
@media (max-width: 26rem) { .how { padding-inline-start: .9rem; } }
`;

const ACCOUNT = `
.apps { margin: 0; padding: 0; list-style: none; }
.apps li { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; padding: .8rem 0; border-top: 1px solid var(--line); }
.apps li > div { flex: 1 1 14rem; min-width: 0; }
.apps li b, .apps li small { display: block; }
.apps form { margin: 0; }
.apps .button { min-height: 2.5rem; padding: .5rem 1rem; }
`;

/** CSS of all pages: no URLs, no imports, one accent, light and dark. */
export const STYLESHEET: string = [COLOURS, FRAME, TEXT, CONTROLS, SETUP, LANDING, ACCOUNT].join("")
  .trimStart();
