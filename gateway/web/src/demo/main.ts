import { provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import { App } from '../app/app';
import { Chat } from '../app/core/chat';
import { loadConfig } from '../app/core/config';
import { FakeHub } from '../app/rts/testing/fake-hub';
import { demoServer } from './scene';

/** The app on a server in memory, with every feature and no other user: for a look, and for visual tests. */
const app = await bootstrapApplication(App, { providers: [provideZonelessChangeDetection()] });
const korean = document.documentElement.lang === 'ko';
const server = demoServer(korean);
const hub = new FakeHub(server, 'jiwoo');
const identity = { userId: 'jiwoo', orgId: 'acme', name: server.names.get('jiwoo') ?? '', token: () => Promise.resolve('') };
app.injector.get(Chat).signIn(await loadConfig(), identity, hub);
Object.assign(globalThis, { demo: { server, hub } });
