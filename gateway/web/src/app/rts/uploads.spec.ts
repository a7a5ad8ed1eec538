import { Backoff } from './backoff';
import { UploadTicket } from './contract';
import { RtsError } from './errors';
import { hubError } from './testing/fake-hub';
import { opened } from './testing/harness';
import { Put, refusal, startUpload } from './uploads';

const TICKET: UploadTicket = { attachmentId: 'a1', url: 'https://files.example/a1', method: 'PUT', headers: {}, expiresAt: '' };
const text = new TextEncoder().encode('안녕');
/** Files in the DOM of the tests cannot be read, so this one brings its bytes. */
const file = Object.assign(new File([text], '인사.txt', { type: 'text/plain' }), { arrayBuffer: () => Promise.resolve(text) });
const passed = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('startUpload', () => {
  it('binds the hash, reports progress, and returns the attachment', async () => {
    const { hub, client, room } = await openedNow();
    hub.next('CreateUpload', () => TICKET);
    let half: number | undefined;
    const put: Put = (ticket, sent, progress) => {
      expect([ticket, sent]).toEqual([TICKET, file]);
      progress(0.5);
      half = upload.progress();
      return Promise.resolve();
    };
    const upload = startUpload(client.connection, room.roomId, file, put);
    expect(upload.state()).toBe('preparing');
    await passed();
    expect(hub.calls.at(-1)).toEqual(['CreateUpload', {
      roomId: room.roomId, fileName: '인사.txt', contentType: 'text/plain', sizeBytes: 6,
      sha256: 'e8f817f346d1d411cc59d5bdda64fab3763890e1f0f8f4c15805cf78874d68bf',
    }]);
    expect([half, upload.progress(), upload.state()]).toEqual([0.5, 1, 'done']);
    expect(upload.attachment()).toEqual({ attachmentId: 'a1', fileName: '인사.txt', contentType: 'text/plain', sizeBytes: 6 });
  });

  it('reports why it failed', async () => {
    const { hub, client, room } = await openedNow();
    hub.next('CreateUpload', () => {
      throw hubError('CreateUpload', 'tooLarge: A file has at most 100 MiB.');
    });
    const upload = startUpload(client.connection, room.roomId, file, () => Promise.resolve());
    await passed();
    expect([upload.state(), upload.error()?.code]).toEqual(['failed', 'tooLarge']);
  });

  it('continues after a lost connection and a busy storage, each time with a new address', async () => {
    const { hub, client, room } = await openedNow();
    const tickets = ['a1', 'a2', 'a3'].map((attachmentId) => ({ ...TICKET, attachmentId }));
    tickets.forEach((ticket) => hub.next('CreateUpload', () => ticket));
    const failures = [new RtsError('offline', ''), refusal(503)];
    const put: Put = () => (failures.length > 0 ? Promise.reject(failures.shift()!) : Promise.resolve());
    const upload = startUpload(client.connection, room.roomId, file, put);
    await passed();
    expect([upload.state(), upload.error()]).toEqual(['waiting', undefined]);
    await vi.waitUntil(() => upload.state() === 'done', { timeout: 5_000 });
    expect(upload.attachment()?.attachmentId).toBe('a3');
  });

  it('retries on demand after a refusal', async () => {
    const { hub, client, room } = await openedNow();
    ['a1', 'a2'].forEach((attachmentId) => hub.next('CreateUpload', () => ({ ...TICKET, attachmentId })));
    const failures = [refusal(403)];
    const put: Put = () => (failures.length > 0 ? Promise.reject(failures.shift()!) : Promise.resolve());
    const upload = startUpload(client.connection, room.roomId, file, put);
    await passed();
    expect([upload.state(), upload.error()?.code]).toEqual(['failed', 'forbidden']);
    upload.retry();
    await passed();
    expect([upload.state(), upload.error(), upload.attachment()?.attachmentId]).toEqual(['done', undefined, 'a2']);
  });

  it('fails after some attempts at a storage that the browser cannot reach, while the hub is there', async () => {
    const { hub, client, room } = await openedNow();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      hub.next('CreateUpload', () => TICKET);
    }
    const put = vi.fn<Put>(() => Promise.reject(new RtsError('offline', '')));
    const upload = startUpload(client.connection, room.roomId, file, put, new Backoff(1, 1));
    await vi.waitUntil(() => upload.state() === 'failed', { timeout: 5_000 });
    expect([upload.error()?.code, put.mock.calls.length]).toEqual(['offline', 10]);
  });

  it('stops when cancelled', async () => {
    const { hub, client, room } = await openedNow();
    hub.next('CreateUpload', () => TICKET);
    const put: Put = (_ticket, _file, _progress, abort) =>
      new Promise((_, reject) => abort.addEventListener('abort', () => reject(new RtsError('cancelled', ''))));
    const upload = startUpload(client.connection, room.roomId, file, put);
    await passed();
    expect(upload.state()).toBe('uploading');
    upload.cancel();
    await passed();
    expect([upload.state(), upload.error(), upload.attachment()]).toEqual(['cancelled', undefined, undefined]);
  });

  /** Starts on the fake clock; the rest needs real time for hashing. */
  async function openedNow(): ReturnType<typeof opened> {
    vi.useFakeTimers();
    const made = await opened();
    vi.useRealTimers();
    return made;
  }
});
