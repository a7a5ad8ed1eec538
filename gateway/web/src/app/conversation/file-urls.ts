import { Injectable, inject } from '@angular/core';
import { Chat } from '../core/chat';

/** Time before its expiry at which a signed address is renewed. */
const SPARE_MS = 15_000;

/** Signed addresses of files, cached while they are valid. */
@Injectable({ providedIn: 'root' })
export class FileUrls {
  private readonly chat = inject(Chat);
  private readonly known = new Map<string, { url: Promise<string>; untilMs: number }>();

  get(roomId: string, attachmentId: string): Promise<string> {
    const kept = this.known.get(attachmentId);
    if (kept !== undefined && kept.untilMs > Date.now()) {
      return kept.url;
    }
    const asked = this.chat.client().invoke('GetAttachmentUrl', { roomId, attachmentId });
    const entry = { url: asked.then(({ url }) => url), untilMs: Date.now() + SPARE_MS };
    this.known.set(attachmentId, entry);
    asked.then(
      ({ expiresAt }) => (entry.untilMs = Date.parse(expiresAt) - SPARE_MS),
      () => this.known.delete(attachmentId),
    );
    return entry.url;
  }
}
