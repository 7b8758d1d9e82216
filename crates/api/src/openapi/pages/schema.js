// Schemas as nested tables: names, types, constraints, documentation.

import { h, prose } from "./dom.js";

const DEPTH_MAX = 3;
const PATTERN_SHOWN_MAX = 32;

export class Schemas {
  constructor(document) {
    this.document = document;
  }

  /** What a `$ref` points at, or the thing itself. */
  resolve(thing) {
    if (!thing?.$ref) {
      return thing;
    }
    const path = thing.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    return path.reduce((at, part) => at?.[part], this.document);
  }

  name(schema) {
    return schema?.$ref?.split("/").pop();
  }

  /** The type in a few words: `string`, `Room[]`, `integer | null`. */
  type(schema) {
    const name = this.name(schema);
    if (name) {
      return name;
    }
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) {
      return [...new Set(choices.map((choice) => this.type(choice)))].join(" | ");
    }
    if (schema.const !== undefined) {
      return JSON.stringify(schema.const);
    }
    if (schema.enum) {
      return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    }
    const types = [schema.type ?? "any"].flat();
    return types.map((type) => (type === "array" && schema.items ? this.array(schema.items) : schema.format && type === "string" ? schema.format : type)).join(" | ");
  }

  array(items) {
    const type = this.type(items);
    return type.includes("|") ? `(${type})[]` : `${type}[]`;
  }

  /** Everything about a schema, its members folded below it. */
  view(schema, depth = 0) {
    const resolved = this.resolve(schema);
    if (!resolved) {
      return h("p.quiet", {}, "unknown");
    }
    const inner = this.members(resolved, depth);
    return h("div.schema", {}, depth === 0 && prose(resolved.description), inner);
  }

  members(schema, depth) {
    if (schema.properties) {
      const required = new Set(schema.required ?? []);
      return h("table.members", {}, h("tbody", {}, Object.entries(schema.properties).map(([name, member]) => this.member(name, member, required.has(name), depth))));
    }
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) {
      const [first, ...rest] = choices.filter((choice) => choice.type !== "null");
      return [this.titled(first, depth, true), rest.map((choice) => this.titled(choice, depth, false))];
    }
    if (schema.items) {
      return this.members(this.resolve(schema.items), depth);
    }
    return null;
  }

  titled(schema, depth, open) {
    const resolved = this.resolve(schema);
    const inner = depth < DEPTH_MAX ? this.members(resolved, depth + 1) : null;
    const label = h("code.type", {}, this.type(schema));
    return inner ? h("details", { open }, h("summary", {}, label), inner) : h("p", {}, label);
  }

  member(name, schema, required, depth) {
    const resolved = this.resolve(schema);
    const inner = depth < DEPTH_MAX ? this.nested(schema) : null;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, name), required && h("span.required", { title: "always there" }, "*")),
      h(
        "td",
        {},
        h("code.type", {}, this.type(schema)),
        this.limits(resolved).map((limit) => h("span.limit", {}, limit)),
        prose(schema.description ?? (this.name(schema) ? "" : resolved?.description)),
        inner && h("details", {}, h("summary", {}, "Members"), this.view(inner, depth + 1)),
      ),
    );
  }

  /** The object inside a member that is worth unfolding. */
  nested(schema) {
    const candidates = [schema, schema.items, ...(schema.anyOf ?? []), ...(schema.items?.anyOf ?? [])].filter(Boolean);
    return candidates.map((candidate) => this.resolve(candidate)).find((candidate) => candidate?.properties);
  }

  limits(schema) {
    const range = (low, high, unit) => {
      const bound = (value) => (Math.abs(value) >= 2 ** 31 - 1 ? undefined : value);
      const [min, max] = [bound(low), bound(high)];
      return min === undefined && max === undefined ? null : `${min ?? ""}…${max ?? ""} ${unit}`.trim();
    };
    return [
      range(schema?.minLength, schema?.maxLength, "characters"),
      range(schema?.minItems, schema?.maxItems, "items"),
      range(schema?.minimum, schema?.maximum, ""),
      schema?.pattern?.length <= PATTERN_SHOWN_MAX && !schema.pattern.includes("\\u0000") && `matches ${schema.pattern}`,
      schema?.default !== undefined && `default ${JSON.stringify(schema.default)}`,
    ].filter(Boolean);
  }
}
