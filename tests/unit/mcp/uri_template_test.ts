/** `parseUriTemplate()`: which URIs a template expands to (RFC 6570, with its own examples), and which tricks do not pass. */
import assert from "node:assert/strict";
import { parseUriTemplate, UriTemplateError } from "../../../lib/mcp/uri_template.ts";

const matches = (template: string, uri: string) => parseUriTemplate(template).matches(uri);

/** RFC 6570 §1.2 and §3.2, without the expansions to nothing that are refused on purpose. */
const EXPANSIONS: readonly (readonly [string, string])[] = [
  ["{var}", "value"],
  ["{hello}", "Hello%20World%21"],
  ["{half}", "50%25"],
  ["O{x}X", "O1024X"],
  ["map?{x,y}", "map?1024,768"],
  ["{x,hello,y}", "1024,Hello%20World%21,768"],
  ["{var:3}", "val"],
  ["{list*}", "red,green,blue"],
  ["{keys*}", "semi=%3B,dot=.,comma=%2C"],
  ["{+var}", "value"],
  ["{+hello}", "Hello%20World!"],
  ["{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"],
  ["{+base}index", "http://example.com/home/index"],
  ["{+path}/here", "/foo/bar/here"],
  ["here?ref={+path}", "here?ref=/foo/bar"],
  ["up{+path}{var}/here", "up/foo/barvalue/here"],
  ["{+x,hello,y}", "1024,Hello%20World!,768"],
  ["{+path:6}/here", "/foo/b/here"],
  ["{+list*}", "red,green,blue"],
  ["{#var}", "#value"],
  ["{#path,x}/here", "#/foo/bar,1024/here"],
  ["X{#var}", "X#value"],
  ["X{#undef}", "X"],
  ["{.who}", ".fred"],
  ["{.who,who}", ".fred.fred"],
  ["X{.list*}", "X.red.green.blue"],
  ["www{.dom*}", "www.example.com"],
  ["{/who}", "/fred"],
  ["{/var,x}/here", "/value/1024/here"],
  ["{/var,undef}", "/value"],
  ["{/list*}", "/red/green/blue"],
  ["{/keys*}", "/semi=%3B/dot=./comma=%2C"],
  ["{;x,y}", ";x=1024;y=768"],
  ["{;x,y,empty}", ";x=1024;y=768;empty"],
  ["{;list*}", ";list=red;list=green;list=blue"],
  ["{;keys*}", ";semi=%3B;dot=.;comma=%2C"],
  ["{?x,y}", "?x=1024&y=768"],
  ["{?x,y,empty}", "?x=1024&y=768&empty="],
  ["{?x,y,undef}", "?x=1024&y=768"],
  ["{?y,x}", "?x=1024"],
  ["{?keys*}", "?semi=%3B&dot=.&comma=%2C"],
  ["?fixed=yes{&x}", "?fixed=yes&x=1024"],
  ["{&list*}", "&list=red&list=green&list=blue"],
  ["search{?q,lang}", "search"],
  ["docs://é/{a}", "docs://é/b"],
  ["docs://é/{a}", "docs://%C3%A9/b"],
  ["file:///{name}", "file:///na%C3%AFve.txt"],
  ["file:///{name}", "file:///a%2fb"],
];

Deno.test("a template matches what the RFC expands it to", () => {
  for (const [template, uri] of EXPANSIONS) assert.ok(matches(template, uri), `${template} → ${uri}`);
});

Deno.test("a template matches nothing else", () => {
  const others: readonly (readonly [string, string])[] = [
    ["{var}", ""],
    ["{var}", "a/b"],
    ["{var}", "a,b"],
    ["{var}", "a b"],
    ["{var}", "é"],
    ["{x,y}", "1024"],
    ["{x,y}", "1024,"],
    ["{var:3}", "valu"],
    ["{/who}", "fred"],
    ["{/who}", "/fred/fred"],
    ["{?x,y}", "?y=1&x=2"],
    ["{?x,y}", "?z=1"],
    ["{?x}", "&x=1"],
    ["{+path}", ""],
    ["file:///docs/{name}", "file:///docs/"],
    ["file:///docs/{name}", "FILE:///docs/a"],
    ["file:///docs/{name}", "file:///Docs/a"],
    ["file:///docs/{name}", " file:///docs/a"],
    ["file:///docs/{name}", "file:///docs/a\n"],
    ["http://h/{name}", "http://h:80/a"],
    ["http://h/{name}", "http://u@h/a"],
    ["docs.example/{a}", "docsXexample/b"],
    ["a{b}c", "abcd"],
  ];
  for (const [template, uri] of others) assert.ok(!matches(template, uri), `${template} → ${uri}`);
});

Deno.test("dot segments, control characters and second spellings match no template (B13 194, B13 201)", () => {
  const tricks = [
    "..",
    "../secret",
    "a/../../secret",
    "a/./b",
    "%2e%2e/secret",
    ".%2E/secret",
    "..%2fsecret",
    "..%5csecret",
    "a%2f..%2f..%2fsecret",
    "%252e%252e%252fsecret",
    "%25252e%25252e/secret",
    "a/..;/secret",
    "..?x",
    "..#x",
    "a%00b",
    "a%0ab",
    "a\u0000b",
    "%c0%ae%c0%ae/secret",
    "%ff",
    "%41",
    "s%65cret",
  ];
  for (const trick of tricks) {
    for (const template of ["file:///docs/{+path}", "file:///docs/{path}", "file:///docs{/path*}"]) {
      assert.ok(!matches(template, `file:///docs/${trick}`), `${template} → ${trick}`);
    }
  }
  assert.ok(matches("file:///docs/{+path}", "file:///docs/a/b..c/.hidden/...x"));
});

Deno.test("matching takes no longer for a URI that nearly matches", () => {
  const template = parseUriTemplate(`x://${"{a}{b}{c}".repeat(8)}{/list*}{?q*}!`);
  const uri = `x://${"a".repeat(3_000)}${"/b".repeat(1_000)}?${"c=d&".repeat(500)}`;
  const began = performance.now();
  assert.ok(!template.matches(uri));
  assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
  assert.ok(!parseUriTemplate("x://{+a}").matches(`x://${"a".repeat(100_000)}`), "and it is bounded");
});

Deno.test("a body full of URIs holds up nobody: 4 MiB of them are judged within a second", () => {
  const template = parseUriTemplate("docs://pages/{slug}");
  const uri = `docs://pages/${"a".repeat(8_000)}`;
  const began = performance.now();
  for (let count = 0; count < 520; count++) assert.ok(template.matches(uri + count));
  assert.ok(performance.now() - began < 1_000, `${performance.now() - began} ms`);
});

Deno.test("what a template has met before does not decide what it meets next", () => {
  const template = parseUriTemplate("x://é{a}%C3%BC{b:2}");
  for (let again = 0; again < 2; again++) {
    for (const uri of ["x://éa%C3%BCbc", "x://%c3%a9a%c3%bcb", "x://%C3%A9%F0%9F%98%80%C3%BC%C3%A4"]) {
      assert.ok(template.matches(uri), uri);
    }
    for (
      const uri of ["x://èa%C3%BCb", "x://éa%C3%BCbcd", "x://éa%C3%BC", "x://éé%C3%BCb", "x://é😀%C3%BCb"]
    ) {
      assert.ok(!template.matches(uri), uri);
    }
  }
});

Deno.test("what is no template is refused", () => {
  for (
    const text of [
      "{",
      "}",
      "a}b",
      "{}",
      "{a",
      "{{a}}",
      "{a b}",
      "{a,}",
      "{=a}",
      "{a:0}",
      "{a:10000}",
      "{a:x}",
      "{!a}",
      "{-a}",
      "\ud800",
      "x".repeat(3_000),
      "{a:1000}".repeat(50),
    ]
  ) {
    assert.throws(() => parseUriTemplate(text), UriTemplateError, text.slice(0, 20));
  }
});
