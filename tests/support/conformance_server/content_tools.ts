/** The tools that answer at once, one for each kind of content, and the two whose input schema is what matters. */
import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import { PNG_PIXEL, text, WAV_SILENCE } from "./samples.ts";

const IMAGE = { type: "image", data: PNG_PIXEL, mimeType: "image/png" } as const;

/** Adds `test_simple_text` and its kin. */
export function addContentTools(server: McpServer): void {
  server.registerTool("test_simple_text", { description: "Answers a text." }, () => text("A simple text."));
  server.registerTool(
    "test_image_content",
    { description: "Answers an image." },
    () => ({ content: [IMAGE] }),
  );
  server.registerTool("test_audio_content", { description: "Answers a sound." }, () => ({
    content: [{ type: "audio", data: WAV_SILENCE, mimeType: "audio/wav" }],
  }));
  server.registerTool("test_embedded_resource", { description: "Answers a resource." }, () => ({
    content: [{
      type: "resource",
      resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "An embedded resource." },
    }],
  }));
  server.registerTool("test_multiple_content_types", { description: "Answers three kinds at once." }, () => ({
    content: [
      { type: "text", text: "A text, an image and a resource:" },
      IMAGE,
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: '{"test":"data","value":123}',
        },
      },
    ],
  }));
  server.registerTool("test_error_handling", { description: "Always fails." }, () => {
    throw new Error("This tool fails on purpose.");
  });
}

/** Adds the tools with schemas of JSON Schema 2020-12 and with an argument that is repeated in a header (SEP-2243). */
export function addSchemaTools(server: McpServer): void {
  server.registerTool("json_schema_2020_12_tool", {
    description: "Its schema uses what JSON Schema 2020-12 has and older drafts have not.",
    inputSchema: fromJsonSchema(contactSchema),
  }, (input) => text(JSON.stringify(input)));
  server.registerTool("test_x_mcp_header", {
    description: "Its region also travels in the header Mcp-Param-Region.",
    inputSchema: fromJsonSchema<{ region?: string; level?: number }>(regionSchema),
  }, ({ region }) => text(`region: ${region ?? "none"}`));
}

/** The suite looks for each of these keywords in `tools/list`. */
const contactSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

// A constant, since the SDK's type of a schema does not know the keyword of SEP-2243.
const regionSchema = {
  type: "object",
  properties: { region: { type: "string", "x-mcp-header": "Region" }, level: { type: "integer" } },
} as const;
