// Serves a built app as the gateway does, with the same headers, and passes all other requests to a balancer.
import { createServer, request as httpRequest } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json', '.txt': 'text/plain' };

/** The app's content policy. `files` are the origins of the file storage and of an issuer. */
export const policy = (files = '') =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: ${files}; connect-src 'self' ${files}; base-uri 'self'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types angular`.replace(/ +/g, ' ');

/**
 * Starts a server on a free port of loopback; requests for anything but a file go to `balancer`. `below` is the app's folder, as behind
 * a proxy that serves other things, too; `settings` replace the app's `config.json`.
 */
export async function serve(folder, { balancer, files, port = 0, below = '/', settings } = {}) {
  const root = fileURLToPath(new URL(`../${folder}/`, import.meta.url));
  const paths = [];
  const server = createServer(async (request, response) => {
    const asked = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)).replace(/\/$/, '/index.html');
    paths.push(asked);
    const path = asked.startsWith(below) ? asked.slice(below.length - 1) : '/outside';
    try {
      const body = path === '/config.json' && settings ? JSON.stringify(settings) : await readFile(join(root, path));
      const headers = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'x-content-type-options': 'nosniff' };
      response.writeHead(200, path.endsWith('.html') ? { ...headers, 'content-security-policy': policy(files) } : headers);
      response.end(body);
    } catch {
      balancer ? pass(balancer, request, response) : response.writeHead(404).end();
    }
  });
  server.on('upgrade', (request, socket, head) => upgrade(balancer, request, socket, head));
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}${below.replace(/\/$/, '')}`, paths, close: () => { server.closeAllConnections(); server.close(); } };
}

// The balancer sees its own host and origin, as if it served the app itself.
const translated = (balancer, headers) => ({ ...headers, host: new URL(balancer).host, ...(headers.origin ? { origin: new URL(balancer).origin } : {}) });

function pass(balancer, request, response) {
  const onward = httpRequest(new URL(request.url, balancer), { method: request.method, headers: translated(balancer, request.headers) }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.headersSent ? response.destroy() : response.writeHead(502).end());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}

function upgrade(balancer, request, socket, head) {
  const { hostname, port } = new URL(balancer ?? 'http://127.0.0.1:1');
  const onward = connect(Number(port), hostname, () => {
    const headers = Object.entries(translated(balancer, request.headers)).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
    onward.write(head);
    socket.pipe(onward).pipe(socket);
  });
  for (const [one, other] of [[onward, socket], [socket, onward]]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve(process.argv[2] ?? 'dist', { balancer: process.env.RTS_URL, port: Number(process.env.PORT ?? 4200) });
  console.log(`${url} serves ${process.argv[2] ?? 'dist'}`);
}
