import { Injectable, computed, signal } from '@angular/core';

/** What the address's hash says is open, so that back, reload and links work without any server's help. */
interface Place {
  roomId?: string;
  archive: boolean;
}

/** `#/rooms/<id>`, `#/archive`, `#/archive/<id>`, or nothing. */
@Injectable({ providedIn: 'root' })
export class Route {
  private readonly place = signal<Place>(parse(location.hash));

  readonly roomId = computed(() => this.place().roomId);
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

function parse(hash: string): Place {
  const [, list, id] = /^#\/(rooms|archive)(?:\/([^/]+))?$/.exec(hash) ?? [];
  return { archive: list === 'archive', ...(id === undefined ? {} : { roomId: decodeURIComponent(id) }) };
}
