// Records of the hub protocol as bytes. A second implementation, because the suite must not trust the server's codec.

import { decode, encode } from "@msgpack/msgpack";

/** Terminates a JSON record. */
export const RS = "\u001e";
/** The response to a valid handshake. */
export const ACCEPTED = `{}${RS}`;
/** The response to invalid input. */
export const BAD_INPUT = { type: 7, error: "Connection closed with an error.", allowReconnect: true };

/** A handshake request. */
export const handshake = (protocol = "json", version = 1) => `${JSON.stringify({ protocol, version })}${RS}`;

/** A call as the JavaScript client writes it: with its type last. */
export const call = (target, argument, invocationId) =>
  `${JSON.stringify({ target, arguments: [argument], invocationId, type: 1 })}${RS}`;

/** Parses the JSON records of a text that holds whole ones only. */
export function parseText(text) {
  if (text !== "" && !text.endsWith(RS)) throw new Error(`cut inside a record: ${JSON.stringify(text.slice(-80))}`);
  return text.split(RS).slice(0, -1).map((record) => JSON.parse(record));
}

/** Bytes from hexadecimal. */
export const hex = (text) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

/** Prefixes a body with its length. */
export function prefixed(body) {
  const prefix = [];
  for (let left = body.length; ; ) {
    const more = left > 127;
    prefix.push((left & 127) | (more ? 128 : 0));
    left >>>= 7;
    if (!more) return Buffer.concat([Buffer.from(prefix), body]);
  }
}

/** Encodes a MessagePack record of values. */
export const packed = (...values) => prefixed(Buffer.from(encode(values)));

/** Splits bytes that hold whole records only into their bodies. */
export function bodies(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length || shift > 28) throw new Error("cut inside a length");
      const byte = bytes[at];
      at += 1;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (at + length > bytes.length) throw new Error("cut inside a record");
    found.push(bytes.subarray(at, at + length));
    at += length;
  }
  return found;
}

/** Decodes the MessagePack records of bytes that hold whole ones only. */
export const parseBytes = (bytes) => bodies(bytes).map((body) => decode(body));
