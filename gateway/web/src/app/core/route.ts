import { Injectable, computed, signal } from '@angular/core';

/** The location in the hash of the address, so that back, reload and links work without support by the server. */
interface Place {
  roomId?: string;
  archive: boolean;
  /** True if the address is not a valid one. */
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

  /** Goes to the list from which the room was opened. */
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

/** Parses an address; a cut or mistyped one is `unknown`, never an error. */
export function parse(hash: string): Place {
  const [found, list, id] = /^#?\/?(?:(rooms|archive)(?:\/([^/]*))?)?$/.exec(hash) ?? [];
  const archive = list === 'archive';
  try {
    return found === undefined ? { archive, unknown: true } : { archive, ...(id ? { roomId: decodeURIComponent(id) } : {}) };
  } catch {
    return { archive, unknown: true };
  }
}
