// Tokens as an operator's identity service would issue them: HS256, with the secret of the local cluster.

import { createHmac } from "node:crypto";

const encode = (value) => Buffer.from(value).toString("base64url");

/** Signs any header and claims. */
export function sign(header, claims, secret) {
  const content = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`;
  const hash = { HS256: "sha256", HS384: "sha384", HS512: "sha512" }[header.alg];
  const signature = hash ? createHmac(hash, secret).update(content).digest("base64url") : "";
  return `${content}.${signature}`;
}

/**
 * A valid token of the cluster.
 * @param {{secret: string, issuer: string, audience: string}} jwt as reported by the cluster
 * @param {{sub: string, org?: string, name?: string, ttlSeconds?: number}} who any other fields become claims
 */
export function userToken(jwt, { sub, org = "acme", name = sub, ttlSeconds = 3600, ...claims }) {
  const now = Math.floor(Date.now() / 1000);
  const all = { iss: jwt.issuer, aud: jwt.audience, sub, org, name, iat: now, exp: now + ttlSeconds, ...claims };
  return sign({ alg: "HS256", typ: "JWT" }, all, jwt.secret);
}
