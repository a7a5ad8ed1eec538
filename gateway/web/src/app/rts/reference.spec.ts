/**
 * The contract of this library against docs/api/rts.d.ts, which is made from the server's types: what compiles here holds. `call` and `on` are
 * those of docs/local.md.
 */

import type { HubConnection } from '@microsoft/signalr';
import type * as own from './contract';
import type { Events, Methods } from "../../../../../docs/api/rts";

const call = <M extends keyof Methods>(method: M, request: Methods[M][0]): Promise<Methods[M][1]> => hub.invoke(method, request);
const on = <E extends keyof Events>(event: E, handler: (payload: Events[E]) => void) => hub.on(event, handler);

/** True, or what does not fit. */
type Fits<Given, Wanted> = Given extends Wanted ? true : [Given, Wanted];
type Requests = { [M in own.Method]: Fits<own.Request<M>, Methods[M][0]> };
type Answers = { [M in own.Method]: Fits<Methods[M][1], own.Answer<M>> };
type Payloads = { [E in own.EventName]: Fits<Events[E], own.Events[E]> };
type AllTrue<Names extends PropertyKey> = Record<Names, true>;

const hub = { invoke: async (...call: unknown[]) => call, on: () => undefined } as unknown as HubConnection;

it('has the types of the server', async () => {
  const requests: AllTrue<own.Method> = {} as Requests;
  const answers: AllTrue<own.Method> = {} as Answers;
  const payloads: AllTrue<own.EventName> = {} as Payloads;
  const names: Fits<keyof Methods, own.Method | own.StreamMethod> = true;
  const events: Fits<keyof Events, own.EventName> = true;
  expect([requests, answers, payloads, names, events]).toEqual([{}, {}, {}, true, true]);
});

it('calls and listens with those types, as the page does', async () => {
  on('Typing', ({ userId, typing }) => [userId, typing]);
  await expect(call('GetRoom', { roomId: 'g_1' })).resolves.toEqual(['GetRoom', { roomId: 'g_1' }]);
});
