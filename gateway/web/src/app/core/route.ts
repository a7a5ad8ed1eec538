import { Injectable, computed, signal } from '@angular/core';

/** What the address's hash says is open, so that back, reload and links work without any server's help. */
interface Place {
  roomId?: string;
  archive: boolean;
  /** Whether the address names nothing that there could be. */
  unknown?: true;
}

/** `#/rooms/<id>`, `#/archive`, `#/archive/<id>`, or nothing. */
@Injectable({ providedIn: 'root' })
export class Route {
  private readonly place = signal<Place>(parse(location.hash));

  readonly roomId = computed(() => this.place().roomId);
  readonly unknown = computed(() => this.place().unknown === true);
  readonly archive = computed(() => this.place().archive);

  constructor() {
    addEventListener('hashchange', () => this.place.set(parse(location.hash)));
  }

  room(roomId: string): void {
    this.go(`#/${this.archive() ? 'archive' : 'rooms'}/${encodeURIComponent(roomId)}`);
  }

  /** The list that the open room was chosen from. */
  list(): void {
    this.go(this.archive() ? '#/archive' : '#/');
  }

  setArchive(on: boolean): void {
    this.go(on ? '#/archive' : '#/');
  }

  private go(hash: string): void {
    if (location.hash !== hash) {
      location.hash = hash;
    }
    this.place.set(parse(hash));
  }
}

/** What an address names; one that was cut or mistyped is `unknown`, never a fault. */
export function parse(hash: string): Place {
  const [found, list, id] = /^#?\/?(?:(rooms|archive)(?:\/([^/]*))?)?$/.exec(hash) ?? [];
  const archive = list === 'archive';
  try {
    return found === undefined ? { archive, unknown: true } : { archive, ...(id ? { roomId: decodeURIComponent(id) } : {}) };
  } catch {
    return { archive, unknown: true };
  }
}
