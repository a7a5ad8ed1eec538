/** The sign-in method. */
export type AuthConfig =
  /** By name, using the gateway's development endpoint. */
  | { kind: 'dev' }
  /** The embedding page provides tokens: by `window.rtsHost.token()`, or by messages to and from `origin`. */
  | { kind: 'host'; origin?: string }
  /** OpenID Connect: code flow with PKCE. `token` names the token that the gateway checks. */
  | { kind: 'oidc'; issuer: string; clientId: string; scope?: string; token?: 'access_token' | 'id_token' };

/** `config.json` beside the app; every field is optional. */
export interface AppConfig {
  hubUrl: string;
  devTokenUrl: string;
  auth: AuthConfig;
  /** Names of the claims for the user's id, organization and name, as configured in the gateway. */
  claims: { user: string; org: string; name: string };
}

const DEFAULTS: AppConfig = {
  hubUrl: 'hubs/chat',
  devTokenUrl: 'dev/token',
  auth: { kind: 'dev' },
  claims: { user: 'sub', org: 'org', name: 'name' },
};

export async function loadConfig(): Promise<AppConfig> {
  const reply = await fetch('config.json', { cache: 'no-cache' });
  if (!reply.ok) {
    return DEFAULTS;
  }
  const given = (await reply.json()) as Partial<AppConfig>;
  return { ...DEFAULTS, ...given, claims: { ...DEFAULTS.claims, ...given.claims } };
}
