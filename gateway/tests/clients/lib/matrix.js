// The cases of the matrix: every stock client × protocol × transport, and the table of those that passed.

/** Messages each way. */
export const BOTH_WAYS = 200;

const TRANSPORTS = { json: ["WebSockets", "ServerSentEvents", "LongPolling"], messagepack: ["WebSockets", "LongPolling"] };

/** The kinds of JavaScript clients: `{client, version, protocol, transport}`. */
export const KINDS = [10, 8, 5].flatMap((version) =>
  Object.entries(TRANSPORTS).flatMap(([protocol, transports]) =>
    transports.map((transport) => ({ client: `@microsoft/signalr ${version}.0`, version, protocol, transport })),
  ),
);

/** The name of a kind. */
export const nameOf = ({ client, protocol, transport }) => `${client} ${protocol} ${transport}`;

/** Formats the table: client, protocol, transport, cases passed. */
export function table(results) {
  const rows = results.map(({ kind, passed }) => [kind.client, kind.protocol, kind.transport, String(passed)]);
  const all = [["client", "protocol", "transport", "cases"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd();
  return [line(all[0]), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}
