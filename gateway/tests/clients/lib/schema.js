// Holds what the server sends to the reference: docs/api/schema.json. Stricter than a JSON Schema is by itself: what it does not name is wrong.

import { readFileSync } from "node:fs";

const SCHEMA = JSON.parse(readFileSync(new URL("../../../../docs/api/schema.json", import.meta.url), "utf8"));

const typeOf = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : Number.isInteger(value) ? "integer" : typeof value);

/** The schema itself, or the one that it refers to. */
const resolved = (schema) => (schema.$ref ? resolved(SCHEMA.$defs[schema.$ref.split("/").at(-1)]) : schema);

/** All properties of an object's schema, with those of its parts. */
function properties(schema) {
  const own = resolved(schema);
  return Object.assign({}, own.properties, ...(own.allOf ?? []).map(properties));
}

/** Yields what is wrong with a value. */
function* faults(given, value, path, isPart = false) {
  const schema = resolved(given);
  if (schema.const !== undefined && value !== schema.const) yield `${path} is ${JSON.stringify(value)}, not ${schema.const}`;
  if (schema.enum && !schema.enum.includes(value)) yield `${path} is ${JSON.stringify(value)}, none of ${schema.enum}`;
  const either = schema.anyOf ?? schema.oneOf;
  if (either && !either.some((one) => faults(one, value, path).next().done)) yield `${path} is none of the alternatives: ${JSON.stringify(value)}`;
  for (const part of schema.allOf ?? []) yield* faults(part, value, path, true);
  const type = typeOf(value);
  if (schema.type && schema.type !== type && !(schema.type === "number" && type === "integer")) {
    yield `${path} is ${type}, not ${schema.type}`;
    return;
  }
  if (type === "integer" && (value < schema.minimum || value > schema.maximum)) yield `${path} is out of range: ${value}`;
  if (schema.format === "date-time" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)) yield `${path} is no time: ${value}`;
  if (type === "array" && schema.items) for (const [at, item] of value.entries()) yield* faults(schema.items, item, `${path}[${at}]`);
  if (type !== "object") return;
  for (const name of schema.required ?? []) if (!(name in value)) yield `${path} has no ${name}`;
  const known = properties(schema);
  for (const [name, inner] of Object.entries(value)) {
    if (schema.properties?.[name]) yield* faults(schema.properties[name], inner, `${path}.${name}`);
    else if (schema.additionalProperties) yield* faults(schema.additionalProperties, inner, `${path}.${name}`);
    else if (!isPart && !either && !(name in known)) yield `${path}.${name} is not in the reference`;
  }
}

function check(schema, value, what) {
  const wrong = schema ? [...faults(schema, value, what)] : [`${what} is not in the reference`];
  if (wrong.length > 0) throw new Error(`docs/api/schema.json: ${wrong.slice(0, 3).join("; ")}`);
}

/** The names of all methods, and of all events. */
export const METHODS = Object.keys(SCHEMA.methods).sort();
export const EVENTS = Object.keys(SCHEMA.events).sort();

/** True if a method answers nothing but a room or a message, which are types of their own, or streams. */
export function hasPlainAnswer(name) {
  const { answer } = SCHEMA.methods[name];
  return !answer || Object.keys(properties(answer)).every((field) => field === "room" || field === "message");
}

const methodOf = (name) => Object.entries(SCHEMA.methods).find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];

/** Throws if the answer to a method is not as the reference has it. */
export function checkAnswer(method, answer) {
  check(methodOf(method)?.answer, answer, method);
}

/** Throws if an item of a stream is not. */
export function checkItem(method, item) {
  check(methodOf(method)?.item, item, method);
}

/** Throws if an event is not. */
export function checkEvent(name, event) {
  check(SCHEMA.events[name], event, name);
}

/** Throws if a request for a method is not. */
export function checkRequest(method, request) {
  check(methodOf(method)?.request, request, method);
}

/** Throws if a value is not of a type of the reference. */
export function checkType(name, value) {
  check(SCHEMA.$defs[name], value, name);
}
