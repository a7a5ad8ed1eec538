import { AppConfig } from './config';
import { Identity, identityFrom } from './identity';

/** The interface that a page may provide if it loads the app's scripts itself. */
interface RtsHost {
  token(): Promise<string> | string;
}

const ANSWER_MS = 10_000;

/**
 * Signs in with tokens of the embedding page: by `window.rtsHost.token()` if it exists, else by a message `{type:
 * 'rts:tokenRequest'}` to the parent window, which answers `{type: 'rts:token', token}`. Only messages from the
 * configured origin count.
 */
export async function signInHost(config: AppConfig, origin: string | undefined): Promise<Identity> {
  const host = (globalThis as { rtsHost?: RtsHost }).rtsHost;
  const fetchToken = async (): Promise<string> => (host !== undefined ? host.token() : askParent(origin));
  return identityFrom(await fetchToken(), config.claims, fetchToken);
}

function askParent(origin: string | undefined): Promise<string> {
  if (origin === undefined || window.parent === window) {
    return Promise.reject(new Error('There is no host page to ask for a token.'));
  }
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      window.removeEventListener('message', heard);
    };
    const heard = (event: MessageEvent<unknown>): void => {
      const data = event.data as { type?: unknown; token?: unknown } | null;
      if (event.source === window.parent && event.origin === origin && data?.type === 'rts:token' && typeof data.token === 'string') {
        done();
        resolve(data.token);
      }
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error('The host page gave no token.'));
    }, ANSWER_MS);
    window.addEventListener('message', heard);
    window.parent.postMessage({ type: 'rts:tokenRequest' }, origin);
  });
}
