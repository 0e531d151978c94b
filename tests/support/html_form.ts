/** The forms of a page, read without a DOM: enough for pages written by us, in which every tag is closed. */

/** A button, radio button or option that a person may choose. */
export interface Choice {
  readonly name: string;
  readonly value: string;
  readonly kind: "button" | "radio" | "checkbox" | "option";
  /** Where this button sends the form instead, if it says so. */
  readonly formAction: string | null;
}

/** One form, as a person finds it. */
export interface Form {
  /** As written: relative to the page. */
  readonly action: string;
  readonly method: "get" | "post";
  /** What is sent whatever is chosen: hidden fields, filled-in texts, preselected choices. */
  readonly preset: readonly (readonly [string, string])[];
  /** Names of the fields a person may write into. */
  readonly texts: readonly string[];
  readonly choices: readonly Choice[];
}

interface Tag {
  readonly name: string;
  readonly closing: boolean;
  readonly attributes: ReadonlyMap<string, string>;
}

const tagPattern =
  /<(\/?)([a-z][a-z0-9]*)((?:\s+[^\s=>/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)\s*\/?>/gi;
const attributePattern = /([^\s=>/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g;

/** The forms of `html`, in the order in which they appear. */
export function parseForms(html: string): readonly Form[] {
  const forms: Form[] = [];
  let current: Draft | undefined;
  for (const tag of tagsOf(html.replace(/<!--[\s\S]*?-->/g, ""))) {
    if (tag.name === "form" && tag.closing) {
      if (current !== undefined) forms.push(current.form());
      current = undefined;
    } else if (tag.name === "form") {
      current = new Draft(tag);
    } else if (!tag.closing) {
      current?.add(tag);
    }
  }
  return forms;
}

/** The targets of all links of `html`, as written. */
export function parseLinks(html: string): readonly string[] {
  return [...tagsOf(html)].flatMap((tag) => {
    const href = tag.name === "a" && !tag.closing ? tag.attributes.get("href") : undefined;
    return href === undefined ? [] : [href];
  });
}

class Draft {
  readonly #tag: Tag;
  readonly #preset: [string, string][] = [];
  readonly #texts: string[] = [];
  readonly #choices: Choice[] = [];
  #select = "";

  constructor(tag: Tag) {
    this.#tag = tag;
  }

  add({ name: element, attributes }: Tag): void {
    const name = attributes.get("name") ?? "";
    const value = attributes.get("value");
    if (attributes.has("disabled")) return;
    if (element === "select") this.#select = name;
    if (element === "option" && this.#select !== "") {
      this.#offer("option", { name: this.#select, value: value ?? "", chosen: attributes.has("selected") });
    }
    if (element === "button") {
      const type = attributes.get("type") ?? "submit";
      if (type === "submit") this.#choices.push(button(attributes));
    }
    if (element !== "input" || name === "" && attributes.get("type") !== "submit") return;
    switch (attributes.get("type") ?? "text") {
      case "submit":
        this.#choices.push(button(attributes));
        break;
      case "radio":
        this.#offer("radio", { name, value: value ?? "on", chosen: attributes.has("checked") });
        break;
      case "checkbox":
        this.#offer("checkbox", { name, value: value ?? "on", chosen: attributes.has("checked") });
        break;
      case "hidden":
        this.#preset.push([name, value ?? ""]);
        break;
      default:
        this.#texts.push(name);
        this.#preset.push([name, value ?? ""]);
    }
  }

  form(): Form {
    return {
      action: this.#tag.attributes.get("action") ?? "",
      method: this.#tag.attributes.get("method")?.toLowerCase() === "post" ? "post" : "get",
      preset: this.#preset,
      texts: this.#texts,
      choices: this.#choices,
    };
  }

  #offer(kind: Choice["kind"], of: { name: string; value: string; chosen: boolean }): void {
    this.#choices.push({ kind, name: of.name, value: of.value, formAction: null });
    if (of.chosen) this.#preset.push([of.name, of.value]);
  }
}

function button(attributes: ReadonlyMap<string, string>): Choice {
  return {
    kind: "button",
    name: attributes.get("name") ?? "",
    value: attributes.get("value") ?? "",
    formAction: attributes.get("formaction") ?? null,
  };
}

function* tagsOf(html: string): Iterable<Tag> {
  for (const [, slash, name = "", attributes = ""] of html.matchAll(tagPattern)) {
    yield { name: name.toLowerCase(), closing: slash === "/", attributes: attributesOf(attributes) };
  }
}

function attributesOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(attributePattern)].map(([, name = "", double, single, bare]) => [
      name.toLowerCase(),
      decodeEntities(double ?? single ?? bare ?? ""),
    ]),
  );
}

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[name] ?? whole;
  });
}
