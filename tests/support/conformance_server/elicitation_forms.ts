/** The forms that the fixture asks a user to fill in. */

/** One required text. */
export const RESPONSE_FORM = {
  type: "object",
  properties: { response: { type: "string", description: "What the user says" } },
  required: ["response"],
};

/** A default of every primitive type (SEP-1034). */
export const DEFAULTS_FORM = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
  required: [],
};

const VALUES = ["option1", "option2", "option3"];
const TITLED = [
  { const: "value1", title: "First" },
  { const: "value2", title: "Second" },
  { const: "value3", title: "Third" },
];

/** Every way to offer a choice (SEP-1330). */
export const ENUMS_FORM = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: VALUES },
    titledSingle: { type: "string", oneOf: TITLED },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
    untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: VALUES } },
    titledMulti: { type: "array", minItems: 1, maxItems: 3, items: { anyOf: TITLED } },
  },
  required: [],
};
